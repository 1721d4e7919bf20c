"""What a dead launcher's evaluations left on disk counts; the rest goes back to the queue."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ambs_hpc import identity
from ambs_hpc.errors import DatabaseLocked, DatabaseUnreachable
from ambs_hpc.launcher.executors.attempt_ends import outcome_of
from ambs_hpc.launcher.executors.balsam import files
from ambs_hpc.launcher.executors.report_log import MOST_AT_ONCE, reports_on_disk
from ambs_hpc.launcher.paths import attempt_folder
from ambs_hpc.launcher.runtime_estimate import with_possible_run_time
from ambs_hpc.launcher.supervisor.orphan_reaper import kill_marked
from ambs_hpc.launcher.supervisor.outcome import read_outcome
from ambs_hpc.launcher.supervisor.process_tree import mark_of
from ambs_hpc.queue import (
    OVER,
    Evidence,
    Lease,
    NewReport,
    add_reports,
    complete,
    end_future_heartbeats,
    fail,
    held_by_dead,
    holders,
    list_allocations,
    lock_campaigns_of,
    reading,
    sweep,
    transaction,
)
from ambs_hpc.records import Launcher, Outcome
from ambs_hpc.schedulers import Backoff, CouldNotAsk
from ambs_hpc.sites.allocations import Refreshed, refresh
from ambs_hpc.timing import STALE_AFTER_SECONDS, hand_started_silence_seconds

if TYPE_CHECKING:
    from sqlalchemy import Engine

logger = logging.getLogger(__name__)

# For the files of what dead launchers held, of which there may be thousands on a slow file system: meanwhile
# this launcher says nothing to the database, and must not be taken for dead itself.
HARVEST_SECONDS = STALE_AFTER_SECONDS / 6


@dataclass(frozen=True, slots=True)
class _LeftOnDisk:
    """What an attempt of a dead launcher has left in its files."""

    lease: Lease
    outcome: Outcome | None
    reports: Sequence[NewReport]


class SurvivorTurns:
    """The order in which files of dead launchers' evaluations are read, over many sweeps of one process.

    Those that survive their launcher stay held until they have ended, so a sweep that runs out of time before
    the last of them begins the next one where it stopped.
    """

    def __init__(self) -> None:
        self._last_id = 0  # of the survivor that was read last

    def ordered(self, held: Sequence[Lease]) -> list[Lease]:
        """Those first that end with their launcher: they are held no more once they were read."""
        return sorted(held, key=lambda one: (bool(one.survives_in), self._had_turn(one), one.id))

    def note_read(self, one: Lease) -> None:
        """Its turn is over."""
        if one.survives_in:
            self._last_id = one.id

    def _had_turn(self, one: Lease) -> bool:
        return bool(one.survives_in) and one.id <= self._last_id


def recover_and_sweep(engine: Engine, stale_after_seconds: float, turns: SurvivorTurns | None = None) -> int:
    """Report what dead launchers' evaluations left, release the others; how many were released.

    No scheduler is asked: what the database knows of allocations counts. Files are read between
    two transactions, never within one, and for HARVEST_SECONDS at most: the rest is left for the next call.

    Args:
        turns: the caller's own, where it calls again and again.
    """
    is_gone = liveness_of(engine, stale_after_seconds)
    _end_future_heartbeats(engine, stale_after_seconds)
    with reading(engine) as connection:
        held = held_by_dead(connection, stale_after_seconds=stale_after_seconds, is_gone=is_gone)
    if not held:
        return 0
    _kill_what_lives_on(held)
    left = _left_on_disk(held, turns or SurvivorTurns())
    held = [one.lease for one in left]
    found = [(one.lease.launcher_id, one.outcome) for one in left if one.outcome is not None]
    _store_reports(engine, [each for one in left for each in one.reports])
    with transaction(engine) as connection:
        lock_campaigns_of(connection, [one.id for one in held])
        for launcher_id in {launcher_id for launcher_id, _ in found}:
            outcomes = [outcome for owner, outcome in found if owner == launcher_id]
            complete(connection, launcher_id, [one for one in outcomes if one.failure is None])
            fail(connection, launcher_id, [one for one in outcomes if one.failure is not None])
        # Who has died since the files were read is left for the next time: its results were not looked for.
        swept = sweep(connection, stale_after_seconds=stale_after_seconds, is_gone=is_gone, leases=held)
    for one in swept:  # somebody else may still have it, where a launcher was outlived
        files.call_off(attempt_folder(one.run_directory, one.ordinal, one.attempt), time.time())
    logger.info("dead launchers held=%d harvested=%d swept=%d", len(held), len(found), len(swept))
    return len(swept)


def _end_future_heartbeats(engine: Engine, tolerance_seconds: float) -> None:
    with reading(engine) as connection:
        ahead = [one for one in holders(connection) if one.heartbeat_age_seconds < -tolerance_seconds]
    if ahead:
        with transaction(engine) as connection:
            end_future_heartbeats(connection, tolerance_seconds)
        logger.warning("heartbeats ahead of the database's clock=%d: taken for present ones", len(ahead))


def _kill_what_lives_on(held: Sequence[Lease]) -> None:
    """End attempts of dead launchers that still run on this host: their successors would run beside them."""
    marks = [mark_of(one.token) for one in held if one.token and not one.survives_in]
    killed = kill_marked(marks) if marks else 0
    if killed:
        logger.warning("killed processes=%d that attempts of dead launchers had left", killed)


def _left_on_disk(held: Sequence[Lease], turns: SurvivorTurns) -> list[_LeftOnDisk]:
    """What the files of these say, of as many of them as can be read in time, and of one at least."""
    left: list[_LeftOnDisk] = []
    until = time.monotonic() + HARVEST_SECONDS
    for one in turns.ordered(held):
        if left and time.monotonic() >= until:
            logger.info(
                "files of dead launchers' evaluations are read in turns, left=%d", len(held) - len(left)
            )
            break
        folder = attempt_folder(one.run_directory, one.ordinal, one.attempt)
        outcome = outcome_on_disk(one)
        left.append(_LeftOnDisk(one, outcome, reports_on_disk(one.id, one.attempt, one.token, folder)))
        turns.note_read(one)
    return left


def _store_reports(engine: Engine, reports: Sequence[NewReport]) -> None:
    """Store what attempts of dead launchers reported and nobody has stored."""
    for first in range(0, len(reports), MOST_AT_ONCE):
        with transaction(engine) as connection:
            add_reports(connection, reports[first : first + MOST_AT_ONCE])


def outcome_on_disk(held: Lease) -> Outcome | None:
    """The outcome that this attempt wrote before its launcher died, if it did."""
    folder = attempt_folder(held.run_directory, held.ordinal, held.attempt)
    # Claims from before there were tokens in the database have none; their files have.
    report = read_outcome(folder, held.attempt, held.token or None)
    if report is None:
        return None
    outcome = replace(outcome_of(report), id=held.id, token=held.token)
    return with_possible_run_time(outcome, max(0.0, held.age_seconds))


def liveness_of(engine: Engine, stale_after_seconds: float) -> Callable[[Launcher], Evidence]:
    """A function that tells what is known of a launcher, by processes here and by what schedulers said."""
    ids = late_allocations(engine, stale_after_seconds)
    states: dict[int, str] = {}
    if ids:
        with reading(engine) as connection:
            states = {one.id: one.state for one in list_allocations(connection, ids=ids)}
    return lambda launcher: evidence(launcher, states)


def late_allocations(engine: Engine, stale_after_seconds: float) -> list[int]:
    """Allocations in which a launcher that holds evaluations has not sent a heartbeat for so long."""
    with reading(engine) as connection:
        late = [one for one in holders(connection) if abs(one.heartbeat_age_seconds) > stale_after_seconds]
    return [one.identity.allocation_id for one in late if one.identity.allocation_id is not None]


class SchedulerWatch:
    """Asks schedulers about allocations whose launchers are late, seldom, in a thread beside the caller.

    A scheduler may take a minute to say nothing; a launcher's loop must not wait for it.
    """

    def __init__(self, engine: Engine, stale_after_seconds: float) -> None:
        self._engine, self._stale_after_seconds = engine, stale_after_seconds
        self.backoff = Backoff()
        self._thread: threading.Thread | None = None

    def look(self, now: float) -> None:
        """Begin to ask if there is reason to; `now` in seconds since 1970 UTC."""
        if self._thread is not None and self._thread.is_alive():
            return
        if self.backoff.due(now) and late_allocations(self._engine, self._stale_after_seconds):
            self._thread = threading.Thread(target=self._ask, args=(now,), daemon=True)
            self._thread.start()

    def join(self) -> None:
        """Wait until nobody is being asked."""
        if self._thread is not None:
            self._thread.join()

    def _ask(self, now: float) -> None:
        try:
            refreshed = refresh(self._engine, identity.user_name(), now)
        except (DatabaseUnreachable, DatabaseLocked) as error:
            logger.warning("database away, schedulers are asked later: %s", error)
            return
        except Exception as error:
            # The thread's border: without an answer the next question would follow at once.
            logger.exception("answers of schedulers not understood")
            refreshed = Refreshed(0, (CouldNotAsk("schedulers", f"not understood: {error}"),))
        self.backoff = refreshed.noted(self.backoff, now)


def evidence(launcher: Launcher, allocation_states: Mapping[int, str]) -> Evidence:
    """What follows for a launcher; `allocation_states` are of allocations whose schedulers were asked."""
    who = launcher.identity
    gone = identity.is_gone(identity.ProcessIdentity(who.host, who.pid, who.process_started, who.namespace))
    if gone is not None:
        return Evidence.GONE_FOR_CERTAIN if gone else Evidence.ALIVE
    if who.allocation_id is None:  # nobody can be asked about a launcher that was started by hand elsewhere
        is_silent = launcher.heartbeat_age_seconds > hand_started_silence_seconds()
        return Evidence.GONE if is_silent and not who.survives_in else Evidence.UNKNOWN
    return Evidence.GONE if allocation_states.get(who.allocation_id) in OVER else Evidence.UNKNOWN
