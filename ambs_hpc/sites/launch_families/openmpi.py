"""Open MPI's mpirun.

Under Slurm it learns its hosts and their slots from variables of the allocation, among them those that
describe tasks. The launcher passes none of these on, as they were made for another command.

Source: Open MPI 4.1 and PRRTE 3, the components ras/slurm and plm/slurm; manual page of mpirun.
"""

from __future__ import annotations

from collections.abc import Sequence

from ambs_hpc.sites.launch_families.host_lists import naming_hosts
from ambs_hpc.sites.launch_families.ranks import Ranks, slurm_counts
from ambs_hpc.sites.launch_families.run_child import FILE

PROGRAM = "mpirun"


def command(program: str, ranks: Ranks, flags: Sequence[str]) -> list[str]:
    """The words that start these ranks.

    Open MPI passes only the variables that it is told to pass, and cannot bind ranks by lists of cores.
    """
    setting = ["env", *slurm_counts(ranks)] if ranks.scheduler == "slurm" else []
    hosts = ",".join(f"{node}:{ranks.per_node}" for node in ranks.nodes)
    lines = [f"{node} slots={ranks.per_node}" for node in ranks.nodes]
    passed = [word for name in sorted(ranks.variables) for word in ("-x", name)]
    after = ["--map-by", f"ppr:{ranks.per_node}:node", "--bind-to", "none", *passed, *flags]
    return naming_hosts(
        [*setting, program, "-n", str(ranks.total)], ["--host", hosts], after, ["--hostfile", FILE], lines
    )
