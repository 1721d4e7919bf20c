"""Cray ALPS's aprun."""

from __future__ import annotations

from ambs_hpc.sites.launch_families.host_lists import short_list
from ambs_hpc.sites.launch_families.ranks import Ranks

PROGRAM = "aprun"


def arguments(ranks: Ranks) -> list[str]:
    """The options that start and bind these ranks."""
    lists = ":".join(",".join(map(str, cores)) for cores in ranks.cores)
    return [
        *("-n", str(ranks.total), "-N", str(ranks.per_node), "-L", short_list(ranks.nodes)),
        *("-d", str(ranks.processors_per_rank), "-cc", lists or "none"),
    ]
