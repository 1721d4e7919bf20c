"""When a launcher ends: signals, its time limit, idleness, an allocation that is over, a parent that dies."""

from __future__ import annotations

import logging
import os
import select
import signal
from types import FrameType

from ambs_hpc.clock import Clock
from ambs_hpc.launcher.exchange import ALLOCATION_OVER, HOPELESS
from ambs_hpc.launcher.life.idle_time import Idleness
from ambs_hpc.launcher.life.launcher_settings import LauncherSettings
from ambs_hpc.launcher.life.time_limit import TimeLimit
from ambs_hpc.launcher.loop import LauncherLoop
from ambs_hpc.launcher.packing import Packing
from ambs_hpc.launcher.search_process import SearchProcess
from ambs_hpc.launcher.watch.allocation_watch import AllocationWatch

logger = logging.getLogger(__name__)

WAIT_SECONDS = 0.5
ANSWER_SECONDS = 5.0  # for one of the scheduler that is under way when the end has come
STUCK_SECONDS = 15.0  # after the grace, for what does not end: its supervisor may hang in a file system
REPORT_SECONDS = 10.0  # to report what ended when the database is away at the end


class EndWatch:
    """Drives a loop, and has it drain or stop for the first reason to end.

    Draining lets what runs end; stopping ends it, and is asked for by whatever does not wait. Both go on
    until nothing is held any more.
    """

    def __init__(
        self,
        loop: LauncherLoop,
        packing: Packing,
        settings: LauncherSettings,
        clock: Clock,
        search: SearchProcess | None,
        begun_at: float,
    ) -> None:
        """
        Args:
            packing: of its nodes, and empty when none is left.
            search: that runs beside it.
            begun_at: monotonic, from which the time limit counts.
        """
        self._loop, self._packing, self._settings, self._clock = loop, packing, settings, clock
        self._search = search
        self._idleness = Idleness(loop, clock, settings.idle_exit_seconds)
        self._allocation = _allocation_watch(settings)
        self._signals: list[int] = []  # not seen yet
        self._awaits_term = False  # the scheduler's own, of an end that was seen before
        self._ending: str | None = None
        self._is_stopping = False
        self._ends_by = float("inf")  # monotonic
        self._late_since: float | None = None  # monotonic
        self._limit = TimeLimit(settings, begun_at)
        loop.end_by(self._limit.deadline, self._limit.seconds)

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
            elif self._clock.monotonic() > self._ends_by:
                logger.error("what runs does not end, and is killed")
                return self._ending

    def _note_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)

    def _look_around(self) -> None:
        self._obey_signals()
        is_searching = self._search is not None and self._search.look()
        if self._search is not None and self._search.is_hopeless and self._loop.database.has_one_campaign:
            self._stop(HOPELESS)  # what it was started for; of other campaigns it says nothing
        if self._parent_died():
            self._stop("parent died")
        if self._allocation is not None and (over := self._allocation.over()):
            self._awaits_term = self._awaits_term or not self._is_stopping
            self._stop(f"{ALLOCATION_OVER}: {over}")
        self._follow_allocation()
        if not self._packing.nodes:
            self._stop("no node left")
        if self._is_out_of_time():
            self._stop("time limit", self._limit.grace_seconds(self._clock.monotonic()))
        if self._ending is None and self._has_been_idle(is_searching=is_searching):
            self._drain("time limit" if self._loop.is_out_of_time else "idle")

    def _is_out_of_time(self) -> bool:
        """The end has come, and no answer is under way by which it may come later, as after a suspension."""
        now = self._clock.monotonic()
        if now < self._loop.deadline:
            self._late_since = None
            return False
        if self._late_since is None:
            self._late_since = now
        is_asking = self._allocation is not None and self._allocation.is_asking
        return not is_asking or now - self._late_since >= ANSWER_SECONDS

    def _follow_allocation(self) -> None:
        """A person may have changed the walltime."""
        moved = 0.0 if self._allocation is None else self._allocation.moved_seconds
        if moved != self._limit.moved_seconds:
            self._limit.moved_seconds = moved
            self._loop.end_by(self._limit.deadline, self._limit.seconds)

    def _obey_signals(self) -> None:
        """INT drains; TERM stops, and so does a second INT; after that every one is less patient."""
        signals, self._signals = self._signals, []
        for number in signals:
            if number == signal.SIGINT and self._ending is None:
                self._drain("drained")
            elif self._awaits_term:
                self._awaits_term = False
            elif self._is_stopping:
                self._loop.stop(grace_seconds=0.0)  # asked again: no more patience
            else:
                self._stop("stopped")

    def _drain(self, reason: str) -> None:
        logger.info("launcher draining reason=%s", reason)
        self._ending = reason
        self._loop.drain()

    def _stop(self, reason: str, grace_seconds: float | None = None) -> None:
        if not self._is_stopping:
            logger.info("launcher stopping reason=%s", reason)
            self._ending = reason
            self._is_stopping = True
            grace_seconds = self._settings.grace_seconds if grace_seconds is None else grace_seconds
            self._ends_by = self._clock.monotonic() + grace_seconds + STUCK_SECONDS
            self._loop.stop(grace_seconds)

    def _parent_died(self) -> bool:
        pipe = self._settings.parent_pipe
        if pipe is None:
            return False
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        return bool(poll.poll(0))

    def _has_been_idle(self, *, is_searching: bool) -> bool:
        is_complete = self._search is not None and self._search.is_complete
        return self._idleness.lasts_too_long(is_searching=is_searching, is_search_complete=is_complete)


def _allocation_watch(settings: LauncherSettings) -> AllocationWatch | None:
    tenancy = None if settings.node_pool is None else settings.node_pool.tenancy
    return None if tenancy is None else AllocationWatch(tenancy, os.environ)
