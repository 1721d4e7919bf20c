"""What a launcher and the database tell each other: what ended, what is leased, that the launcher lives."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy.exc import IntegrityError

from ambs_hpc import timing
from ambs_hpc.errors import DatabaseRefused, DatabaseUnreachable, LauncherForgotten
from ambs_hpc.launcher.account.slot_record import SlotRecord
from ambs_hpc.launcher.campaigns import Campaigns
from ambs_hpc.launcher.database_calls import DatabaseAnswer, DatabaseCalls
from ambs_hpc.launcher.executors.node_log import NodeLog
from ambs_hpc.launcher.executors.protocol import Interrupted, Placed
from ambs_hpc.launcher.executors.report_log import LAST_SECONDS, ReportLog
from ambs_hpc.launcher.idle_reason import Moment, why_idle
from ambs_hpc.launcher.paths import has_checkpoint
from ambs_hpc.launcher.recovery import SchedulerWatch, SurvivorTurns, recover_and_sweep
from ambs_hpc.launcher.rungs.checkpoint_keeper import CheckpointKeeper
from ambs_hpc.launcher.runtime_estimate import RunTimeBounds
from ambs_hpc.queue import (
    NO_CHECKPOINT,
    claim,
    complete,
    database_uid,
    end_launcher,
    fail,
    heartbeat,
    is_search_alive,
    lock_campaigns_of,
    note_nodes,
    pause,
    register_launcher,
    release,
    to_be_paused,
    transaction,
)
from ambs_hpc.records import Claim, LauncherStats, NewLauncher, Outcome, Resources
from ambs_hpc.states import IdleReason

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

NEWS_SECONDS = 0.75 * timing.LAUNCHER_HEARTBEAT_SECONDS
PATIENCE_SECONDS = 0.5  # for an answer; then the launcher goes on without, and looks again soon
SEARCH_PATIENCE_SECONDS = 1.5  # whether a search lives is asked when nothing runs
LAST_WORDS_SECONDS = 5.0  # for the record of its end
ALLOCATION_OVER = "allocation over"  # an end; what tells so follows it
HOPELESS = "hopeless"  # an end: the search beside us has ended because nothing succeeds
# How ends begin that came from outside: what is lost just before them says nothing about nodes.
STOPPED = ("stopped", "time limit", "parent died", HOPELESS, ALLOCATION_OVER)


@dataclass(frozen=True, slots=True)
class Utilisation:
    """How busy a launcher is, as far as it knows without the database.

    Args:
        slots: evaluations at once; None when it knows no better than at its start.
        busy_seconds: of all its slots together, since its start.
        ended: why it has ended; empty while it lives.
    """

    slots: int | None
    busy_seconds: float
    moment: Moment
    ended: str = ""

    def stats(self, connection: Connection, campaigns: Campaigns) -> tuple[LauncherStats, IdleReason]:
        """The same with the reasons why slots are idle, in words, and the one that counts."""
        idle = why_idle(connection, campaigns, self.moment)
        words = idle.words
        if self.ended:  # what fitted beside what ran is past; what it refused and which nodes it lost is not
            no_room = replace(self.moment, has_room=False, next_id=None)
            lasting = why_idle(connection, campaigns, no_room).words
            words = "; ".join(filter(None, (f"ended ({self.ended})", lasting)))
        return LauncherStats(self.slots, self.busy_seconds, words), idle.reason


@dataclass(frozen=True, slots=True)
class ExchangeOrder:
    """What an exchange is to do.

    Args:
        ended: to be recorded.
        given_back: leased, and never started.
        placed: where those run of which the queue does not know it yet.
        wanted: evaluations to lease, at most.
        room: the largest shape that fits, or will fit when something ends; None leases nothing but the first.
        capacity: the largest shape that ever fits, when the first in the queue is leased whatever its shape.
        fits_anything: nothing runs: lease one of any shape, to tell of one that never fits.
        seconds_left: until nothing may run any more; infinity without a limit.
        bounds: of what evaluations are expected to take.
        heartbeat: how busy the launcher is, when it is to say that it lives.
    """

    ended: Sequence[Outcome | Interrupted]
    given_back: Sequence[Claim]
    placed: Sequence[Placed]
    wanted: int
    room: Resources | None
    capacity: Resources | None
    fits_anything: bool
    seconds_left: float
    bounds: RunTimeBounds
    heartbeat: Utilisation | None


@dataclass(frozen=True, slots=True)
class ExchangeReply:
    """What came of it.

    Args:
        claims: the new ones.
        held: the (id, attempt) pairs that are held, if the launcher said that it lives.
        to_pause: those of them that are to be ended, because they pause at a rung.
    """

    claims: Sequence[Claim]
    held: set[tuple[int, int]] | None
    to_pause: Collection[tuple[int, int]] = ()


class LauncherDatabase:
    """The database as one launcher uses it, by calls that it need not wait for.

    A call that fails with DatabaseUnreachable or DatabaseLocked has left nothing known of what was done; it
    may be made again.
    """

    def __init__(
        self,
        engine: Engine,
        launcher_id: int,
        campaigns: Campaigns,
        calls: DatabaseCalls,
        introduction: NewLauncher | None = None,
    ) -> None:
        """`introduction`: with which the launcher registers again where the database has forgotten it."""
        self._engine, self._id, self._campaigns, self._calls = engine, launcher_id, campaigns, calls
        self._introduction = introduction
        self._database_uid = ""
        self._schedulers = SchedulerWatch(engine, timing.STALE_AFTER_SECONDS)
        self._turns = SurvivorTurns()
        self._checkpoints = CheckpointKeeper(engine)
        self.node_log = NodeLog()  # what is to be stored of nodes
        self.report_log = ReportLog()  # and of what evaluations report
        self.slot_record = SlotRecord()  # and of how slots are used

    def begin_exchange(self, order: ExchangeOrder) -> DatabaseAnswer[ExchangeReply]:
        """Begin an exchange, in one transaction."""
        return self._calls.begin(partial(self._exchange, order))

    def begin_sweep(self, now: float) -> DatabaseAnswer[int]:
        """Begin to look for what dead launchers hold; `now` in seconds since 1970 UTC."""
        return self._calls.begin(partial(self._sweep, now))

    @property
    def seconds_earlier(self) -> float:
        """How much sooner than usual to speak to the database: reports may say that something pauses."""
        return NEWS_SECONDS if self._campaigns.may_pause and self.report_log.has_news else 0.0

    @property
    def has_one_campaign(self) -> bool:
        """Whether all that was ever leased is of one campaign, or nothing was."""
        return self._campaigns.number_met <= 1

    def campaigns_met(self) -> list[int]:
        """As `Campaigns.met`; any thread may ask."""
        return self._campaigns.met

    def has_search(self) -> bool:
        """Whether any campaign that we serve has a live search.

        Raises:
            DatabaseUnreachable, DatabaseLocked: it could not be found out at once.
        """
        return self._ask(self._read_searches, SEARCH_PATIENCE_SECONDS)

    def say_end(self, last: Utilisation) -> None:
        """Record that the launcher has ended, and why.

        Raises:
            DatabaseUnreachable, DatabaseLocked: it could not be recorded.
        """
        self._ask(partial(self._end, last), LAST_WORDS_SECONDS)

    def _ask(self, call: Callable[[], Result], patience_seconds: float) -> Result:
        answer = self._calls.begin(call)
        if not answer.wait(patience_seconds):
            raise DatabaseUnreachable(f"the database has not answered within {patience_seconds:g} s")
        return answer.result()

    def _exchange(self, order: ExchangeOrder) -> ExchangeReply:
        try:
            return self._exchange_once(order)
        except (LauncherForgotten, IntegrityError) as error:
            if self._introduction is None or self._is_known():
                raise
            self._refuse_another_database()
            self.report_log.note_older_database()
            self.slot_record.note_older_database()
            # The copy may not have our allocation, or mean another by its id.
            self._introduction = replace(self._introduction, allocation_id=None)
            with transaction(self._engine) as connection:
                self._id = register_launcher(connection, self._introduction)
            logger.warning(
                "the database went back to an older copy: registered again id=%d (%s)", self._id, error
            )
            return ExchangeReply([], set())  # what it does not know of cannot be ours

    def _refuse_another_database(self) -> None:
        with transaction(self._engine) as connection:
            if database_uid(connection) != self._database_uid:
                raise DatabaseRefused(
                    "Another database stands where this launcher's stood. Put the old one back."
                )

    def _is_known(self) -> bool:
        """Whether the database has this launcher; a constraint was then violated by a mistake of ours."""
        with transaction(self._engine) as connection:
            try:
                heartbeat(connection, self._id, who=self._introduction)
            except LauncherForgotten:
                return False
        return True

    def _exchange_once(self, order: ExchangeOrder) -> ExchangeReply:
        node_events, reports = self.node_log.due(), self.report_log.due()
        without_checkpoint = _without_checkpoint(order.ended)
        with transaction(self._engine) as connection:
            self._database_uid = self._database_uid or database_uid(connection)
            self.report_log.store(connection, reports, [one.id for one in (*order.ended, *order.given_back)])
            _record(connection, self._id, order, without_checkpoint)
            note_nodes(connection, self._id, [(one.id, one.attempt, one.node) for one in order.placed])
            claims = _lease(connection, self._id, self._campaigns, order)
            held = None
            if order.heartbeat is not None:
                stats, idle = order.heartbeat.stats(connection, self._campaigns)
                held = heartbeat(connection, self._id, stats, self._introduction)
                # What is leased now fills slots that were free when the reason was looked for.
                self.slot_record.store(connection, self._id, IdleReason.BUSY if claims else idle)
            pausing = to_be_paused(connection, self._id) if self._campaigns.may_pause else set()
            self.node_log.store(connection, self._id, node_events)
        self.node_log.forget(node_events)
        self.report_log.forget(reports)
        self.slot_record.note_stored()
        return ExchangeReply(claims, held, pausing)

    def _sweep(self, now: float) -> int:
        self._schedulers.look(now)
        if not self._campaigns.keep_all_checkpoints:
            self._checkpoints.look()
        return recover_and_sweep(self._engine, timing.STALE_AFTER_SECONDS, self._turns)

    def _read_searches(self) -> bool:
        with transaction(self._engine) as connection:
            served = self._campaigns.served(connection)
            ids: Sequence[int | None] = [None] if served is None else served
            return any(is_search_alive(connection, one, timing.STALE_AFTER_SECONDS) for one in ids)

    def _end(self, last: Utilisation) -> None:
        node_events = self.node_log.last(was_stopped=last.ended.startswith(STOPPED))
        until = time.monotonic() + LAST_SECONDS
        while (reports := self.report_log.due(LAST_SECONDS)) and time.monotonic() < until:
            with transaction(self._engine) as connection:
                self.report_log.store(connection, reports)
            self.report_log.forget(reports)
        with transaction(self._engine) as connection:
            end_launcher(connection, self._id, last.stats(connection, self._campaigns)[0])
            self.node_log.store(connection, self._id, node_events)
        if not self._campaigns.keep_all_checkpoints:
            self._checkpoints.last()


def _record(
    connection: Connection, launcher_id: int, order: ExchangeOrder, without_checkpoint: set[tuple[int, int]]
) -> None:
    """Store what ended and what is given back, by one verb for each way to end."""
    outcomes = [one for one in order.ended if isinstance(one, Outcome)]
    done = [one for one in outcomes if one.failure is None]
    failed = [one for one in outcomes if one.failure is not None]
    all_paused = {(one.id, one.attempt) for one in _paused(order.ended)}
    paused, begin_anew = sorted(all_paused - without_checkpoint), sorted(all_paused & without_checkpoint)
    released = _by_reason(order.ended)
    if order.given_back:
        released.append(("not started", False, [(one.id, one.attempt) for one in order.given_back]))
    # One verb alone locks all the campaigns itself.
    if sum(map(bool, (done, failed, paused, begin_anew, *released))) > 1:
        lock_campaigns_of(connection, [one.id for one in (*order.ended, *order.given_back)])
    complete(connection, launcher_id, done)
    fail(connection, launcher_id, failed)
    pause(connection, launcher_id, paused)
    pause(connection, launcher_id, begin_anew, NO_CHECKPOINT)
    for reason, started, pairs in released:
        release(connection, launcher_id, pairs, interrupted=started, reason=reason)


def _lease(
    connection: Connection, launcher_id: int, campaigns: Campaigns, order: ExchangeOrder
) -> list[Claim]:
    if order.wanted <= 0:
        return []
    too_long = campaigns.too_long(order.seconds_left, order.bounds)
    lease = partial(
        claim,
        connection,
        launcher_id,
        time_left_seconds=None if order.seconds_left == float("inf") else order.seconds_left,
        campaign_ids=campaigns.served(connection, too_long),
    )
    claims = lease(1, room=order.capacity) if order.capacity is not None else []
    claims += lease(order.wanted - len(claims), room=order.room)
    if not claims and order.fits_anything:
        claims = lease(1)
    campaigns.meet(connection, claims)
    return claims


def _paused(ended: Sequence[Outcome | Interrupted]) -> list[Interrupted]:
    return [one for one in ended if isinstance(one, Interrupted) and one.paused_with is not None]


def _without_checkpoint(ended: Sequence[Outcome | Interrupted]) -> set[tuple[int, int]]:
    """The (id, attempt) of paused ones that left nothing to go on from; for use outside of transactions."""
    return {(one.id, one.attempt) for one in _paused(ended) if not has_checkpoint(one.paused_with or "")}


def _by_reason(ended: Sequence[Outcome | Interrupted]) -> list[tuple[str, bool, list[tuple[int, int]]]]:
    groups: dict[tuple[str, bool], list[tuple[int, int]]] = {}
    for one in ended:
        if isinstance(one, Interrupted) and one.paused_with is None:
            groups.setdefault((one.reason, one.started), []).append((one.id, one.attempt))
    return [(reason, started, pairs) for (reason, started), pairs in groups.items()]
