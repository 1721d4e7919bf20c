"""The command that starts programs on granted nodes of a site; pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ambs_hpc.errors import UsageError
from ambs_hpc.sites.launch_families.ranks import Ranks
from ambs_hpc.sites.launch_families.registry import FAMILIES, NO_FAMILY
from ambs_hpc.sites.profile import Site, core_numbers


def command_of_ranks(site: Site, ranks: Ranks) -> list[str]:
    """The words to put before a program so that these copies of it run.

    Raises:
        UsageError: the site has no launch command.
    """
    if site.launch.family == NO_FAMILY:
        raise UsageError(
            f"{site.name} has no launch command, so only the script's own node can be used, without MPI."
        )
    family = FAMILIES[site.launch.family]
    return [site.launch.program or family.program, *family.arguments(ranks), *site.launch.flags]


def command_on_node(site: Site, node: str, processors: int, variables: Collection[str] = ()) -> list[str]:
    """The words to put before a long-lived program so that it runs on `node` with all its processors.

    Args:
        node: as the scheduler names it.
        processors: hardware threads that the program may use.
        variables: names of the environment variables that the program must see.

    Raises:
        UsageError: the site has no launch command.
    """
    return command_of_ranks(site, Ranks([node], depth=processors, variables=variables))


def command_on_nodes(
    site: Site, nodes: Sequence[str], processors: int, variables: Collection[str] = ()
) -> list[str]:
    """The words to put before a long-lived program so that it runs once on each of `nodes`.

    The death of one, or of its node, leaves the others alone as far as the launch command can.

    Args:
        nodes: as the scheduler names them.
        processors: hardware threads that each may use.
        variables: names of the environment variables that the program must see.

    Raises:
        UsageError: the site has no launch command.
    """
    ranks = Ranks(nodes, depth=processors, stand_together=False, variables=variables)
    return command_of_ranks(site, ranks)


def node_name(site: Site, node: str) -> str:
    """The host's name of a node that the scheduler names by a number."""
    return site.node_name % int(node) if site.node_name and node.isdigit() else node


def processors_per_node(site: Site) -> int:
    """Hardware threads of a node."""
    return site.node.cores * site.node.threads_per_core


def near_gpus(site: Site) -> dict[str, tuple[int, ...]]:
    """Cores next to each GPU, by the GPU's name."""
    names = site.node.names_of_gpus
    return {name: tuple(core_numbers(cores)) for name, cores in zip(names, site.node.gpu_cores, strict=False)}
