"""The mpiexec of MPICH (Hydra)."""

from __future__ import annotations

from collections.abc import Sequence

from ambs_hpc.sites.launch_families.host_lists import naming_hosts
from ambs_hpc.sites.launch_families.ranks import Ranks
from ambs_hpc.sites.launch_families.run_child import FILE

PROGRAM = "mpiexec"


def command(program: str, ranks: Ranks, flags: Sequence[str]) -> list[str]:
    """The words that start and bind these ranks."""
    lists = ",".join("+".join(map(str, cores)) for cores in ranks.cores)
    count = ["-n", str(ranks.total), "-ppn", str(ranks.per_node)]
    after = [
        "-genvall",
        *("-bind-to", f"user:{lists}" if lists else "none"),
        *([] if ranks.stand_together else ["-disable-auto-cleanup"]),
        *flags,
    ]
    return naming_hosts(
        [program, *count], ["-hosts", ",".join(ranks.nodes)], after, ["-f", FILE], ranks.nodes
    )
