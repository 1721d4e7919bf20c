"""The allocation around this launcher: which one it is, and when the scheduler will end it."""

from __future__ import annotations

import logging
import os
import shutil
import socket
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ambs_hpc.errors import AmbsError
from ambs_hpc.identity import running_seconds, user_name
from ambs_hpc.launcher.environment import variables_of_supervisors
from ambs_hpc.launcher.machine import gpu_ids, granted_cores, granted_processors, this_machine
from ambs_hpc.launcher.node_pool import NodePool, Tenancy
from ambs_hpc.launcher.packing import UNLIMITED_GIB, Node, Share
from ambs_hpc.queue import get_allocation, list_allocations, note_script_start, reading, transaction
from ambs_hpc.schedulers import CouldNotAsk, CurrentAllocation, registered, scheduler, with_status
from ambs_hpc.sites import (
    Ranks,
    Site,
    command_of_ranks,
    command_on_node,
    command_on_nodes,
    launch_program,
    load_site,
    near_gpus,
    node_name,
    processors_per_node,
)
from ambs_hpc.sites.allocations import FOLDER
from ambs_hpc.sites.rendering import FOLDER_VARIABLE, SITE_VARIABLE

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.records import Allocation

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
    name, folder = script_origin(environ, one.site)
    its_scheduler = scheduler(one.scheduler, user=user_name(), folder=folder / FOLDER)
    here = its_scheduler.current_allocation(environ, lambda file: Path(file).read_text())
    ends_at = now + 60 * float(str(one.request["minutes"]))
    is_heard, is_in_environment = True, here is not None and here.ends_at is not None
    kind = registered(one.scheduler)
    _note_start(engine, one, now)
    if here is not None:
        asked = with_status(its_scheduler, here, environ=environ)
        if isinstance(asked, CouldNotAsk):
            is_heard = False
            logger.warning("end of walltime not heard, taking what was asked for: %s", asked)
        else:
            here, ends_at = asked, asked.ends_at or ends_at  # it may name no end
    site = load_site(name, folder)
    names = here.nodes if here is not None else (socket.gethostname(),)
    left = ends_at - now - MARGIN_SECONDS
    processors = _share(site, here, is_known=is_heard or not kind.is_batch_system) if here is not None else ()
    granted = granted_nodes(site, names, socket.gethostname(), processors)
    _find_launch_command(site, sum(bool(granted.launch_on(node.name)) for node in granted.nodes))
    tenancy = None
    if here is not None and kind.is_batch_system:
        is_other = is_in_environment and kind.status_ends_early
        tenancy = Tenancy(its_scheduler, here.scheduler_id, None if is_other else ends_at)
    return replace(granted, allocation_id=one.id, seconds_left=left, folder=folder / FOLDER, tenancy=tenancy)


def allocation_around(engine: Engine, environ: Mapping[str, str]) -> int | None:
    """Ours of the allocation in which a person started us by hand, beside its script; None outside of any."""
    with reading(engine) as connection:
        open_ones = [one for one in list_allocations(connection, over=False) if one.scheduler_id is not None]
    for name in sorted({one.scheduler for one in open_ones}):
        try:
            its_scheduler = scheduler(name, user=user_name(), folder=Path.cwd() / FOLDER)
            here = its_scheduler.current_allocation(environ, lambda file: Path(file).read_text())
        except (AmbsError, OSError):  # its environment is not the whole one, as in a step of a person
            continue
        for one in open_ones:
            if here is not None and (one.scheduler, one.scheduler_id) == (name, here.scheduler_id):
                return one.id
    return None


def _note_start(engine: Engine, one: Allocation, now: float) -> None:
    """Store when the script began: its last line has become this process, with its start."""
    seconds = running_seconds(os.getpid())
    if one.started_at is None and seconds is not None and one.created_at < now - seconds:
        with transaction(engine) as connection:
            note_script_start(connection, one.id, now - seconds)


def script_origin(environ: Mapping[str, str], row_site: str) -> tuple[str, Path]:
    """The site and the campaign folder of the script that runs, from the script itself.

    What a site file names is run with our rights, so the database is not asked where it lies. A script from
    before it told this started in the folder.

    Args:
        row_site: the site that the database names, for such a script.

    Raises:
        AmbsError: it is no plain name.
    """
    name = environ.get(SITE_VARIABLE) or row_site
    if Path(name).name != name:
        raise AmbsError(f"The site {name!r} of this allocation is a path, not a name. Submit it again.")
    return name, Path(environ.get(FOLDER_VARIABLE) or Path.cwd())


def our_share(here: CurrentAllocation, usable: int) -> tuple[int, ...]:
    """How many processors of each node we may use; () for all that it has.

    A request for whole nodes may name fewer processors than they have. They are all ours then, unless the
    scheduler confines us to the number that was requested.

    Args:
        usable: on how many processors of this node we may run.
    """
    if here.is_exclusive and usable > max(here.processors, default=0):
        return ()
    return here.processors


def confined_share(
    site: Site, here: CurrentAllocation, allowed: Collection[int], own: str
) -> tuple[int, ...]:
    """How many processors of each node we may use when the scheduler cannot be asked; () for all.

    A node that others use too would be packed whole. Of this node at least what the system confines us to is
    known.

    Args:
        allowed: the processors of this node on which we may run.
        own: this host's name.
    """
    if here.processors or site.node.found:
        return here.processors
    cores = [core for core in site.node.usable_cores if {*site.node.processors_of(core)} & {*allowed}]
    if len(cores) == len(site.node.usable_cores):
        return ()
    each = processors_per_node(site)
    return tuple(max(1, len(cores)) if _short(name) == _short(own) else each for name in here.nodes)


def _share(site: Site, here: CurrentAllocation, *, is_known: bool) -> tuple[int, ...]:
    allowed = os.sched_getaffinity(0)
    if is_known:
        return our_share(here, len(allowed))
    return confined_share(site, here, allowed, socket.gethostname())


def _find_launch_command(site: Site, others: int) -> None:
    program = launch_program(site) if others else ""
    if program and shutil.which(program) is None:
        raise AmbsError(
            f"The launch command {program!r} is not found by the script, which has to reach "
            f"{others} other nodes. Load its module in `preamble` of ambs.yml or of the site, or name "
            "it as `launch.program` in a site of your own (`ambs site schema`)."
        )


def granted_nodes(site: Site, names: Sequence[str], own: str, processors: Sequence[int] = ()) -> NodePool:
    """The nodes as the site describes them, as far as they were granted, and how to start programs there.

    Args:
        names: as the scheduler writes them.
        own: this host's name. The script of some sites runs on a service node that is not granted.
        processors: hardware threads granted on each node; () where the scheduler does not say.
    """
    here = this_machine(None, None)
    shape = here if site.node.found else _shape(site)
    given = dict(zip(names, processors, strict=False))
    names, is_here = _usable(site, names, own)
    granted = {node_name(site, name): name for name in names}
    each = len(here.cores) if site.node.found else processors_per_node(site)
    threads = {name: given.get(name, each) for name in names}
    cores = _granted_cores(site, here.cores, threads, is_here) if given else {}
    nodes = [replace(shape, name=node, cores=cores.get(name, shape.cores)) for node, name in granted.items()]

    @cache  # asked at every start, and the environment is long to look through
    def launch_on(node: str) -> Sequence[str]:
        name = granted[node]
        if name in is_here:
            return ()
        return command_on_node(site, name, threads[name], variables_of_supervisors(os.environ), names)

    def launch_ranks(shares: Sequence[Share], per_node: int, variables: Collection[str]) -> Sequence[str]:
        hosts = [granted[share.node] for share in shares]
        fewest = min((share.cores for share in shares), key=len)  # the same ranks on every node
        cores_of_ranks, gpus = divided(fewest, per_node), shares[0].gpus
        ranks = Ranks(hosts, per_node, cores_of_ranks, variables=variables, gpus=gpus, granted=names)
        return command_of_ranks(site, ranks)

    def launch_on_all(nodes: Sequence[str]) -> Sequence[str]:
        hosts = [granted[node] for node in nodes]
        fewest = min(threads[host] for host in hosts)
        return command_on_nodes(site, hosts, fewest, variables_of_supervisors(os.environ), names)

    return NodePool(
        tuple(nodes),
        site.gpu_variable,
        launch_on,
        launch_ranks,
        launch_on_all,
        packs=site.launch.packs,
        most_at_once=site.launch.most_at_once,
        container=site.container.to_json(),
        counted=frozenset(one.name for one in nodes if len(one.cores) < len(shape.cores)),
    )


def _usable(site: Site, names: Sequence[str], own: str) -> tuple[Sequence[str], set[str]]:
    """The nodes that can be used, and which of them is this host, by the scheduler's names."""
    if site.launch.family == "none":  # nothing reaches other nodes
        return names[:1], set(names[:1])
    is_here = {name for name in names if _short(name) == _short(own)}
    if site.script_host == "mom":  # LSF lists the service node that runs the script as well
        return [name for name in names if name not in is_here], set()
    return names, is_here


def _granted_cores(
    site: Site, here: Sequence[int], threads: Mapping[str, int], is_here: Collection[str]
) -> dict[str, tuple[int, ...]]:
    """The cores of each node, by the scheduler's name, of which so many hardware threads were granted."""
    if not site.node.found:
        node, allowed = site.node, here if is_here else ()
        return {
            name: granted_cores(node.usable_cores, node.cores, node.threads_per_core, number, allowed)
            for name, number in threads.items()
        }
    own = next((threads[name] for name in is_here), max(threads.values()))
    return {name: granted_processors(here, own, number) for name, number in threads.items()}


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
