"""The command that starts programs on granted nodes of a site; pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

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
    known = replace(ranks, scheduler=site.scheduler)
    return FAMILIES[site.launch.family].command(launch_program(site), known, site.launch.flags)


def launch_program(site: Site) -> str:
    """The executable of the site's launch command, which need not be the first of its words."""
    return site.launch.program or FAMILIES[site.launch.family].program


def command_on_node(
    site: Site, node: str, processors: int, variables: Collection[str] = (), granted: Sequence[str] = ()
) -> list[str]:
    """The words to put before a long-lived program so that it runs on `node` with all its processors.

    Args:
        node: as the scheduler names it.
        processors: hardware threads that the program may use.
        variables: names of the environment variables that the program must see.
        granted: all nodes of the allocation, in the scheduler's order.

    Raises:
        UsageError: the site has no launch command.
    """
    return command_of_ranks(site, replace(_service(site, processors, variables, granted), nodes=[node]))


def command_on_nodes(
    site: Site,
    nodes: Sequence[str],
    processors: int,
    variables: Collection[str] = (),
    granted: Sequence[str] = (),
) -> list[str]:
    """The words to put before a long-lived program so that it runs once on each of `nodes`.

    The death of one, or of its node, leaves the others alone as far as the launch command can.

    Args:
        nodes: as the scheduler names them.
        processors: hardware threads that each may use.
        variables: names of the environment variables that the program must see.
        granted: all nodes of the allocation, in the scheduler's order.

    Raises:
        UsageError: the site has no launch command.
    """
    service = _service(site, processors, variables, granted)
    return command_of_ranks(site, replace(service, nodes=nodes, stand_together=False))


def _service(site: Site, processors: int, variables: Collection[str], granted: Sequence[str]) -> Ranks:
    """A long-lived program of ours with a whole node, on no node yet."""
    gpus = site.node.names_of_gpus
    return Ranks(
        [],
        depth=processors,
        variables=variables,
        gpus=gpus,
        granted=granted,
        last_processor=_last_processor(site, processors),
        is_service=True,
    )


def _last_processor(site: Site, processors: int) -> int | None:
    """The highest number of a node's processors where all are granted: system cores may lie between."""
    if site.node.found or processors < site.node.job_processors:
        return None
    return max(number for core in site.node.usable_cores for number in site.node.processors_of(core))


def node_name(site: Site, node: str) -> str:
    """The host's name of a node that the scheduler names by a number."""
    return site.node_name % int(node) if site.node_name and node.isdigit() else node


def processors_per_node(site: Site) -> int:
    """Hardware threads of a node that an allocation gets, as far as the site's profile knows."""
    return site.node.job_processors


def near_gpus(site: Site) -> dict[str, tuple[int, ...]]:
    """Cores next to each GPU, by the GPU's name."""
    names = site.node.names_of_gpus
    return {name: tuple(core_numbers(cores)) for name, cores in zip(names, site.node.gpu_cores, strict=False)}
