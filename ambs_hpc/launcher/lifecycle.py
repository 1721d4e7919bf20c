"""A launcher from its registration to the record of its end."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ambs_hpc import identity
from ambs_hpc.clock import Clock
from ambs_hpc.errors import DatabaseLocked, DatabaseUnreachable, NoSuchCampaign, nearest
from ambs_hpc.launcher.account.slot_record import SlotRecord
from ambs_hpc.launcher.allocation import allocation_around
from ambs_hpc.launcher.database_calls import CallsBeside
from ambs_hpc.launcher.executors.balsam.takeover import succeed
from ambs_hpc.launcher.executors.names import ExecutorName
from ambs_hpc.launcher.executors.node_log import usable_nodes
from ambs_hpc.launcher.executors.protocol import Executor
from ambs_hpc.launcher.executors.registry import balsam_executor, chosen, make_executor, shapes_waiting
from ambs_hpc.launcher.executors.report_log import ReportLog
from ambs_hpc.launcher.life.end_watch import EndWatch
from ambs_hpc.launcher.life.launcher_settings import LauncherEnd, LauncherSettings
from ambs_hpc.launcher.loop import LauncherLoop
from ambs_hpc.launcher.machine import gpu_variable, this_machine
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.launcher.packing import Packing
from ambs_hpc.launcher.search_process import SearchProcess
from ambs_hpc.launcher.supervisor.orphan_reaper import start_orphan_reaper
from ambs_hpc.queue import (
    has_ready,
    list_campaigns,
    patient,
    reading,
    register_launcher,
    transaction,
)
from ambs_hpc.records import NewLauncher
from ambs_hpc.timing import STALE_AFTER_SECONDS

if TYPE_CHECKING:
    from sqlalchemy import Engine

logger = logging.getLogger(__name__)
OnBegun = Callable[[int, Callable[[], Sequence[int]]], None]


def run_launcher(
    engine: Engine, settings: LauncherSettings, clock: Clock, on_begun: OnBegun | None = None
) -> LauncherEnd:
    """Serve the queue until told to end, or until there is nothing left to do.

    Args:
        on_begun: is called once, with the launcher's id and with what says which campaigns it has met.

    Raises:
        NoSuchCampaign: a campaign of that name does not exist, or none at all, and none came in time.
        AmbsError: the executor cannot be had.
    """
    begun_at = clock.monotonic()
    engine = patient(engine)
    lifeline = start_orphan_reaper(str(identity.this_process()))
    search = SearchProcess(settings.search, clock) if settings.search else None
    begin = _begin_on_balsam if settings.executor == "balsam" else _begin_on_nodes
    begun: _Begun | None = None
    try:
        only = settings.once_it_answers(
            lambda: _campaign_ids(engine, settings.campaigns, awaits_any=search is None)
        )
        begun = begin(engine, settings, clock, only)
        if on_begun is not None:
            on_begun(begun.launcher_id, begun.loop.database.campaigns_met)
        reason = EndWatch(begun.loop, begun.packing, settings, clock, search, begun_at).run()
    finally:
        if search is not None:
            search.end()
        if begun is not None:
            begun.executor.close()
        os.close(lifeline)
    tally = begun.loop.tally
    _report_end(begun.loop, reason)
    logger.info("launcher ended id=%d reason=%s tally=%s", begun.launcher_id, reason, tally)
    return LauncherEnd(tally, reason)


@dataclass(frozen=True, slots=True)
class _Begun:
    """A launcher that has introduced itself; `packing` is of its nodes, and empty when none is left."""

    launcher_id: int
    loop: LauncherLoop
    executor: Executor
    packing: Packing


def _begin_on_nodes(
    engine: Engine, settings: LauncherSettings, clock: Clock, only: Sequence[int] | None
) -> _Begun:
    """With an executor that starts evaluations itself."""
    node_pool = settings.node_pool
    if node_pool is None:
        largest = settings.once_it_answers(lambda: _largest_cores(engine, only))
        node = this_machine(settings.slots, settings.gpus, largest_cores=largest)
        node_pool = NodePool((node,), gpu_variable())
    granted = node_pool
    node_pool, node_log = settings.once_it_answers(lambda: usable_nodes(engine, granted))
    packing = Packing(node_pool.nodes, settings.slots)
    name, slots = settings.once_it_answers(
        lambda: _chosen_and_counted(engine, settings.executor, node_pool, only, packing)
    )
    cores = sum(len(node.cores) for node in node_pool.nodes)
    held = settings.once_it_answers(lambda: node_pool.allocation_id or allocation_around(engine, os.environ))
    # Not known: one. A search told of cores would spend its budget on its design, before any result.
    introduction = _introduction(max(1, slots), held, only)
    launcher_id = settings.once_it_answers(lambda: _registered(engine, introduction))
    executor = make_executor(
        name, packing, node_pool, settings.grace_seconds, settings.slots, node_log, report_log := ReportLog()
    )
    logger.info(
        "launcher started id=%d nodes=%d cores=%d slots=%s",
        launcher_id,
        len(node_pool.nodes),
        cores,
        slots or "unknown until the first evaluation",
    )
    loop = LauncherLoop(
        engine, launcher_id, executor, clock, only=only, calls=CallsBeside(), introduction=introduction
    )
    loop.slots, loop.pauses.grace_seconds = slots, settings.grace_seconds
    loop.database.node_log, loop.database.report_log = node_log, report_log
    loop.database.slot_record = SlotRecord(node_pool.nodes, settings.slots)
    return _Begun(launcher_id, loop, executor, packing)


def _begin_on_balsam(
    engine: Engine, settings: LauncherSettings, clock: Clock, only: Sequence[int] | None
) -> _Begun:
    """With a Balsam site in place of nodes; what launchers before us left there is taken up."""
    site = settings.balsam_site
    report_log = ReportLog()
    executor, packing = balsam_executor(site, settings.grace_seconds, settings.slots, report_log)
    introduction = _introduction(1, None, only, survives_in=f"balsam {site}")
    launcher_id = settings.once_it_answers(lambda: _registered(engine, introduction))
    logger.info("launcher started id=%d balsam_site=%s", launcher_id, site)
    loop = LauncherLoop(
        engine, launcher_id, executor, clock, only=only, calls=CallsBeside(), introduction=introduction
    )
    loop.database.report_log = report_log
    loop.pauses.note_impossible("what runs in a Balsam site reports at its end only; all run to the end")
    succeed(engine, launcher_id, loop, executor, only, STALE_AFTER_SECONDS)
    return _Begun(launcher_id, loop, executor, packing)


def _chosen_and_counted(
    engine: Engine,
    executor: ExecutorName,
    node_pool: NodePool,
    only: Sequence[int] | None,
    packing: Packing,
) -> tuple[ExecutorName, int]:
    """The executor, and how many evaluations of those that wait run at once; 0 when that is not known."""
    with reading(engine) as connection:
        name = chosen(executor, node_pool, connection, only)
        slots = {packing.most(shape) for shape in shapes_waiting(connection, only)}
        is_known = len(slots) == 1 or has_ready(connection, campaign_ids=only)
    return name, max(slots, default=0) if is_known else 0


def _registered(engine: Engine, introduction: NewLauncher) -> int:
    with transaction(engine) as connection:
        return register_launcher(connection, introduction)


def _largest_cores(engine: Engine, only: Sequence[int] | None) -> int:
    """Cores of the largest evaluation that waits, so that `--slots` counts evaluations and not cores."""
    with reading(engine) as connection:
        shapes = shapes_waiting(connection, only)
    return max((shape.cores for shape in shapes), default=1)


def _introduction(
    slots: int, allocation_id: int | None, only: Sequence[int] | None, survives_in: str = ""
) -> NewLauncher:
    who = identity.this_process()
    serves = None if only is None else tuple(only)
    return NewLauncher(
        *(who.host, who.pid, who.started, slots, allocation_id, survives_in, who.namespace, serves)
    )


def _campaign_ids(engine: Engine, names: Sequence[str], *, awaits_any: bool) -> list[int] | None:
    if not names and not awaits_any:
        return None
    with reading(engine) as connection:
        known = {one.name: one.id for one in list_campaigns(connection)}
    if not known:
        raise NoSuchCampaign("There is no campaign to launch yet. Begin one: ambs search PROBLEM")
    if not names:
        return None
    for name in names:
        if name not in known:
            raise NoSuchCampaign(f"There is no campaign {name!r} to launch. {nearest(name, known)}")
    return [known[name] for name in names]


def _report_end(loop: LauncherLoop, reason: str) -> None:
    try:
        loop.say_end(reason)
    except (DatabaseUnreachable, DatabaseLocked) as error:
        logger.warning("the end could not be recorded, the missing heartbeat will tell: %s", error)
