"""The mpiexec of Cray's PALS."""

from __future__ import annotations

from ambs_hpc.sites.launch_families.ranks import Ranks


def arguments(ranks: Ranks) -> list[str]:
    """The options that start and bind these ranks."""
    lists = ":".join(",".join(map(str, cores)) for cores in ranks.cores)
    return [
        *("-n", str(ranks.total), "--ppn", str(ranks.per_node), "--hosts", ",".join(ranks.nodes)),
        "--envall",
        *("--depth", str(ranks.processors_per_rank), "--cpu-bind", f"list:{lists}" if lists else "none"),
        *([] if ranks.stand_together else ["--no-abort-on-failure"]),
    ]
