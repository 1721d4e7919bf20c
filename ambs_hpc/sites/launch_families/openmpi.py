"""Open MPI's mpirun."""

from __future__ import annotations

from ambs_hpc.sites.launch_families.ranks import Ranks


def arguments(ranks: Ranks) -> list[str]:
    """The options that start these ranks.

    Open MPI passes only the variables that it is told to pass, and cannot bind ranks by lists of cores.
    """
    hosts = ",".join(f"{node}:{ranks.per_node}" for node in ranks.nodes)
    passed = [word for name in sorted(ranks.variables) for word in ("-x", name)]
    return [
        *("-n", str(ranks.total), "--host", hosts, "--map-by", f"ppr:{ranks.per_node}:node"),
        *("--bind-to", "none", *passed),
    ]
