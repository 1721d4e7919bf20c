"""A launcher from its registration to its end: signals, time limit, idleness, a parent that dies."""

from __future__ import annotations

import logging
import os
import select
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

from ambs_hpc import identity
from ambs_hpc.clock import Clock
from ambs_hpc.errors import DatabaseLocked, DatabaseUnreachable, NoSuchCampaign, nearest
from ambs_hpc.launcher.account.slot_record import SlotRecord
from ambs_hpc.launcher.database_calls import CallsBeside
from ambs_hpc.launcher.database_wait import once_it_answers, wait_seconds
from ambs_hpc.launcher.exchange import ALLOCATION_OVER, HOPELESS
from ambs_hpc.launcher.executors.balsam.takeover import succeed
from ambs_hpc.launcher.executors.names import ExecutorName
from ambs_hpc.launcher.executors.node_log import usable_nodes
from ambs_hpc.launcher.executors.protocol import Executor
from ambs_hpc.launcher.executors.registry import balsam_executor, chosen, make_executor, shapes_waiting
from ambs_hpc.launcher.executors.report_log import ReportLog
from ambs_hpc.launcher.loop import LauncherLoop
from ambs_hpc.launcher.machine import gpu_variable, this_machine
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.launcher.packing import Packing
from ambs_hpc.launcher.runtime_estimate import run_time_bounds
from ambs_hpc.launcher.search_process import SearchProcess
from ambs_hpc.launcher.supervisor.orphan_reaper import start_orphan_reaper
from ambs_hpc.launcher.tally import Tally
from ambs_hpc.launcher.watch.allocation_watch import AllocationWatch
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
Result = TypeVar("Result")

OnBegun = Callable[[int, Callable[[], Sequence[int]]], None]

WAIT_SECONDS = 0.5
REPORT_SECONDS = 10.0  # to report what ended when the database is away at the end


@dataclass(frozen=True, slots=True)
class LauncherSettings:
    """What the command line says about a launcher.

    Args:
        campaigns: names of those to serve; empty serves all.
        slots: evaluations at once, sharing processors if need be; None: as many as fit.
        gpus: names of this machine's GPUs; None looks for them.
        max_minutes: time limit of this launcher; evaluations that cannot end within it are not started.
        grace_seconds: between TERM and KILL.
        notice_seconds: at the time limit TERM comes this much earlier, so that evaluations can write
            checkpoints; None takes the grace.
        idle_exit_seconds: end after this time with nothing to do and no live search.
        parent_pipe: descriptor whose end says that our parent died; we stop then.
        search: command of a search that is to run beside; empty for none.
        node_pool: the nodes to use; None for this machine.
        executor: how evaluations are started; "auto" chooses by nodes and evaluations.
        balsam_site: whose launchers start them when the executor is "balsam".
        wait_seconds: for a database or campaign that is not there yet; None: in an allocation until its end.
    """

    campaigns: Sequence[str] = ()
    slots: int | None = None
    gpus: Sequence[str] | None = None
    max_minutes: float | None = None
    grace_seconds: float = 10.0
    notice_seconds: float | None = None
    idle_exit_seconds: float = 10.0
    parent_pipe: int | None = None
    search: Sequence[str] = ()
    node_pool: NodePool | None = None
    executor: ExecutorName = "auto"
    balsam_site: str = ""
    wait_seconds: float | None = None

    def once_it_answers(self, call: Callable[[], Result]) -> Result:
        """As `database_wait.once_it_answers`, for as long as this launcher may wait at its start."""
        is_in_allocation = self.node_pool is not None and self.node_pool.allocation_id is not None
        seconds = wait_seconds(self.wait_seconds, is_in_allocation=is_in_allocation)
        return once_it_answers(call, seconds=seconds)

    @property
    def last_seconds(self) -> float:
        """Between TERM and KILL at the time limit."""
        return self.grace_seconds if self.notice_seconds is None else self.notice_seconds


@dataclass(frozen=True, slots=True)
class LauncherEnd:
    """How a launcher ended."""

    tally: Tally
    # "idle", "drained", "stopped", "time limit", "parent died", "no node left", HOPELESS, ALLOCATION_OVER
    reason: str


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
        reason = _Watch(begun.loop, begun.packing, settings, clock, search, begun_at).run()
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
    # Not known: one. A search told of cores would spend its budget on its design, before any result.
    introduction = _introduction(max(1, slots), node_pool.allocation_id, only)
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


class _Watch:
    """Drives a loop and decides when it ends."""

    def __init__(
        self,
        loop: LauncherLoop,
        packing: Packing,
        settings: LauncherSettings,
        clock: Clock,
        search: SearchProcess | None,
        begun_at: float,
    ) -> None:
        """`begun_at`: monotonic, from which the time limit counts."""
        self._loop, self._packing, self._settings, self._clock = loop, packing, settings, clock
        self._search = search
        self._signals: list[int] = []
        pool = settings.node_pool
        tenancy = None if pool is None else pool.tenancy
        self._allocation = None if tenancy is None else AllocationWatch(tenancy, os.environ)
        self._awaits_term = False
        if settings.max_minutes is not None:
            seconds = 60 * settings.max_minutes - settings.last_seconds
            loop.deadline = begun_at + seconds
            loop.bounds = run_time_bounds(seconds)
        self._ending: str | None = None
        self._is_stopping = False
        self._idle_since: float | None = None

    def run(self) -> str:
        """Step until the end; why it ended."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note_signal)
        quiet_since: float | None = None
        while True:
            self._loop.step(WAIT_SECONDS)
            self._look_around()
            if self._ending is None:
                continue
            if self._loop.is_idle and not self._loop.is_asking:
                return self._ending
            if self._loop.is_quiet:
                quiet_since = quiet_since or self._clock.monotonic()
                if self._clock.monotonic() - quiet_since > REPORT_SECONDS:
                    return self._ending  # outcomes lie on disk; the next launcher reports them

    def _note_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)

    def _look_around(self) -> None:
        signals, self._signals = self._signals, []
        for number in signals:
            if number == signal.SIGINT and self._ending is None:
                self._drain("drained")
            elif self._awaits_term:
                self._awaits_term = False  # the scheduler's own, of an end that we have seen before
            elif self._is_stopping:
                self._loop.stop(grace_seconds=0.0)  # asked again: no more patience
            else:
                self._stop("stopped")
        is_searching = self._search is not None and self._search.look()
        if self._search is not None and self._search.is_hopeless and self._loop.database.has_one_campaign:
            self._stop(HOPELESS)  # what it was started for; of other campaigns it says nothing
        if self._parent_died():
            self._stop("parent died")
        if self._allocation is not None and (over := self._allocation.over()):
            self._awaits_term = self._awaits_term or not self._is_stopping
            self._stop(f"{ALLOCATION_OVER}: {over}")
        if not self._packing.nodes:
            self._stop("no node left")
        if self._clock.monotonic() >= self._loop.deadline:
            self._stop("time limit", self._settings.last_seconds)
        if self._ending is None and self._has_been_idle(is_searching=is_searching):
            self._drain("time limit" if self._loop.is_out_of_time else "idle")

    def _drain(self, reason: str) -> None:
        logger.info("launcher draining reason=%s", reason)
        self._ending = reason
        self._loop.drain()

    def _stop(self, reason: str, grace_seconds: float | None = None) -> None:
        if not self._is_stopping:
            logger.info("launcher stopping reason=%s", reason)
            self._ending = reason
            self._is_stopping = True
            self._loop.stop(self._settings.grace_seconds if grace_seconds is None else grace_seconds)

    def _parent_died(self) -> bool:
        pipe = self._settings.parent_pipe
        if pipe is None:
            return False
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        return bool(poll.poll(0))

    def _has_been_idle(self, *, is_searching: bool) -> bool:
        """Nothing to do, and nobody who might think of something that we could do, for long enough."""
        if not self._loop.is_idle or self._loop.is_paused or self._loop.awaits_import:
            self._idle_since = None
            return False
        if self._loop.is_asking or not self._loop.has_asked:
            return False
        now = self._clock.monotonic()
        if self._idle_since is None:
            self._idle_since = now
        if self._loop.has_refused_all or self._loop.is_out_of_time:
            return True
        if is_searching:
            return False
        is_complete = self._search is not None and self._search.is_complete  # it said so before it ended
        if not is_complete and now - self._idle_since < self._settings.idle_exit_seconds:
            return False
        try:
            searching = self._loop.database.has_search()
        except (DatabaseUnreachable, DatabaseLocked):
            searching = True  # could not ask
        if searching:
            self._idle_since = now
        return not searching


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
