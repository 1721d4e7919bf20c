"""The allocation around this launcher: which one it is, and when the scheduler will end it."""

from __future__ import annotations

import logging
import os
import shutil
import socket
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ambs_hpc.errors import AmbsError
from ambs_hpc.identity import user_name
from ambs_hpc.launcher.environment import variables_of_supervisors
from ambs_hpc.launcher.machine import gpu_ids, this_machine
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.launcher.packing import UNLIMITED_GIB, Node, Share
from ambs_hpc.queue import get_allocation, reading
from ambs_hpc.schedulers import CouldNotAsk, end_of_walltime, scheduler
from ambs_hpc.sites import (
    Ranks,
    Site,
    command_of_ranks,
    command_on_node,
    command_on_nodes,
    load_site,
    near_gpus,
    node_name,
    processors_per_node,
)
from ambs_hpc.sites.allocations import FOLDER

if TYPE_CHECKING:
    from sqlalchemy import Engine

logger = logging.getLogger(__name__)

VARIABLE = "AMBS_ALLOCATION"  # set by the script: our id
MARGIN_SECONDS = 30.0  # the script is to end before the scheduler ends it


def current_node_pool(engine: Engine, environ: Mapping[str, str], now: float) -> NodePool | None:
    """The allocation that a script of ours started us in; None when started by hand.

    The end is the scheduler's own word; when it cannot be asked, what was requested counts from now.

    Args:
        now: seconds since 1970 UTC.

    Raises:
        AmbsError: the script names an allocation that this database does not have, or cannot find the
            launch command.
    """
    text = environ.get(VARIABLE, "")
    if not text:
        return None
    if not text.isdigit():
        raise AmbsError(f"{VARIABLE}={text!r} is not the number of an allocation. Was the script edited?")
    with reading(engine) as connection:
        one = get_allocation(connection, int(text))
    folder = Path(str(one.request["folder"]))
    its_scheduler = scheduler(one.scheduler, user=user_name(), folder=folder / FOLDER)
    here = its_scheduler.current_allocation(environ, lambda file: Path(file).read_text())
    ends_at = now + 60 * float(str(one.request["minutes"]))
    if here is not None:
        asked = end_of_walltime(its_scheduler, here, environ=environ)
        if isinstance(asked, CouldNotAsk):
            logger.warning("end of walltime not heard, taking what was asked for: %s", asked)
        else:
            ends_at = asked
    site = load_site(one.site, folder)
    names = here.nodes if here is not None else (socket.gethostname(),)
    left = ends_at - now - MARGIN_SECONDS
    granted = granted_nodes(site, names, socket.gethostname())
    _find_launch_command([command for node in granted.nodes if (command := granted.launch_on(node.name))])
    return replace(granted, allocation_id=one.id, seconds_left=left, folder=folder / FOLDER)


def _find_launch_command(commands: Sequence[Sequence[str]]) -> None:
    if commands and shutil.which(commands[0][0]) is None:
        raise AmbsError(
            f"The launch command {commands[0][0]!r} is not found by the script, which has to reach "
            f"{len(commands)} other nodes. Load its module in `preamble` of ambs.yml or of the site, or name "
            "it as `launch.program` in a site of your own (see docs/sites.md)."
        )


def granted_nodes(site: Site, names: Sequence[str], own: str) -> NodePool:
    """The nodes as the site describes them, and how to start programs there.

    Args:
        names: as the scheduler writes them.
        own: this host's name. The script of some sites runs on a service node that is not granted.
    """
    here = this_machine(None, None)
    shape = here if site.node.found else _shape(site)
    is_here = {name for name in names if _short(name) == _short(own) and site.script_host != "mom"}
    if site.launch.family == "none":  # nothing reaches other nodes
        names, is_here = names[:1], set(names[:1])
    granted = {node_name(site, name): name for name in names}
    processors = len(here.cores) if site.node.found else processors_per_node(site)

    def launch_on(node: str) -> Sequence[str]:
        name = granted[node]
        if name in is_here:
            return ()
        return command_on_node(site, name, processors, variables_of_supervisors(os.environ))

    def launch_ranks(shares: Sequence[Share], per_node: int, variables: Collection[str]) -> Sequence[str]:
        hosts = [granted[share.node] for share in shares]
        return command_of_ranks(
            site, Ranks(hosts, per_node, divided(shares[0].cores, per_node), variables=variables)
        )

    def launch_on_all(nodes: Sequence[str]) -> Sequence[str]:
        hosts = [granted[node] for node in nodes]
        return command_on_nodes(site, hosts, processors, variables_of_supervisors(os.environ))

    return NodePool(
        tuple(replace(shape, name=node) for node in granted),
        site.gpu_variable,
        launch_on,
        launch_ranks,
        launch_on_all,
        packs=site.launch.packs,
        most_at_once=site.launch.most_at_once,
    )


def divided(cores: Sequence[int], parts: int) -> list[tuple[int, ...]]:
    """Neighbouring cores for each of the ranks of a node; [] when there are fewer cores than ranks."""
    each = len(cores) // parts
    return [tuple(cores[index * each : (index + 1) * each]) for index in range(parts)] if each else []


def _shape(site: Site) -> Node:
    node = site.node
    gpus = gpu_ids() if site.gpus_are_narrowed else tuple(node.names_of_gpus)
    return Node("", tuple(node.usable_cores), gpus, node.memory_gib or UNLIMITED_GIB, near_gpus(site))


def _short(name: str) -> str:
    return name.partition(".")[0]
