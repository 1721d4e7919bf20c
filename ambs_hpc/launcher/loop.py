"""The launcher's loop: lease, start, collect, record, heartbeat; it survives the loss of the database."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ambs_hpc import timing
from ambs_hpc.clock import Clock
from ambs_hpc.errors import ContainerUnusable, DatabaseLocked, DatabaseUnreachable, ShapeNeverFits
from ambs_hpc.launcher.campaigns import Campaigns
from ambs_hpc.launcher.database_calls import CallsAtOnce, DatabaseAnswer, DatabaseCalls
from ambs_hpc.launcher.exchange import (
    PATIENCE_SECONDS,
    ExchangeOrder,
    ExchangeReply,
    LauncherDatabase,
    Utilisation,
)
from ambs_hpc.launcher.executors.attempt_ends import without_configuration
from ambs_hpc.launcher.executors.protocol import Ended, Executor, Interrupted, Unloadable
from ambs_hpc.launcher.idle_reason import Moment
from ambs_hpc.launcher.rungs.rung_pauses import RungPauses
from ambs_hpc.launcher.runtime_estimate import RunTimeBounds
from ambs_hpc.launcher.tally import BusyTime, Tally
from ambs_hpc.records import Claim, NewLauncher, Outcome, Resources

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

logger = logging.getLogger(__name__)

# An empty queue is asked again soon at first: the search usually answers an ending at once.
FIRST_ASK_SECONDS, LAST_ASK_SECONDS = 0.02, 0.5
# Evaluations shorter than this are leased ahead, so that a slot does not wait for the database; longer ones
# are never hoarded.
SHORT_SECONDS = 1.0
# Endings of short ones are gathered for so long: a commit costs the same for one as for many.
GATHER_SECONDS = 0.04
AHEAD_PER_SLOT_AT_MOST = 32
CLAIM_AT_MOST = 1000
# So often the first in the queue is leased though it does not fit, so that small ones do not starve it.
HEAD_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A call to the database that has begun, and what is done with its answer."""

    answer: DatabaseAnswer[Any]
    finish: Callable[[Any], None]


class LauncherLoop:
    """One launcher; `step` is driven by a loop of its caller, on a real clock or a virtual one."""

    def __init__(
        self,
        engine: Engine,
        launcher_id: int,
        executor: Executor,
        clock: Clock,
        *,
        only: Sequence[int] | None,
        calls: DatabaseCalls | None = None,
        introduction: NewLauncher | None = None,
    ) -> None:
        """
        Args:
            only: ids of the campaigns to serve; None serves all.
            calls: how the database is called; None waits for each of its answers.
            introduction: with which it registers again in a database that went back to an older copy.
        """
        self._executor, self._clock = executor, clock
        self._campaigns = Campaigns(only, clock)
        self.database = LauncherDatabase(
            engine, launcher_id, self._campaigns, calls or CallsAtOnce(), introduction
        )
        self._under_way: _UnderWay | None = None
        self.has_asked = False  # the database has said once what is to do
        self._waiting: list[Claim] = []  # leased, not started
        self._next: int | None = None  # of those, the one that room is kept for
        self._head_at = float("-inf")  # when the first in the queue is leased next, whatever its shape
        self._held: dict[int, Claim] = {}  # started
        self._dying: set[int] = set()  # taken from us, still being ended
        self.pauses = RungPauses(executor, self._campaigns)
        self._ended: list[Outcome | Interrupted] = []  # not yet recorded
        self._shape: Resources | None = None  # of the last lease: how many more may fit
        self._most_held = 1
        self._busy, self.slots = BusyTime(), 0  # slots: evaluations at once, of the smallest shape seen
        self._exchange_at = float("-inf")  # when the next is due, unless slots would wait
        self._mean_seconds = float("inf")
        self._ask_at = self._heartbeat_at = self._sweep_at = self._away_until = float("-inf")
        self._pause, self._claiming = FIRST_ASK_SECONDS, True
        self.deadline = float("inf")  # monotonic: nothing is leased that would run past it
        self.bounds = RunTimeBounds()  # of what is expected of evaluations
        self.tally = Tally(refused=self._campaigns.refused)

    @property
    def is_idle(self) -> bool:
        """Nothing runs, waits to be started, or has to be recorded."""
        return not (self._held or self._waiting or self._ended or self._dying)

    @property
    def is_asking(self) -> bool:
        """Whether the database has not answered yet: something may just be leased."""
        return self._under_way is not None

    @property
    def is_paused(self) -> bool:
        """Whether there is no room although nothing runs: the nodes are in trouble that may pass."""
        is_empty = not (self._held or self._dying or self._next is not None)
        return is_empty and self._executor.room() is None

    @property
    def awaits_import(self) -> bool:
        """Whether a module that could not be imported is tried again."""
        return self._campaigns.awaits_import

    @property
    def has_refused_all(self) -> bool:
        """Whether nothing is left to serve."""
        return self._campaigns.has_refused_all

    @property
    def is_out_of_time(self) -> bool:
        """Whether nothing that we have seen so far could still end in time."""
        left = self.deadline - self._clock.monotonic()
        return self._campaigns.is_out_of_time(left, self.bounds)

    @property
    def is_quiet(self) -> bool:
        """Nothing runs; what ended may still have to be recorded."""
        return not self._held

    def step(self, wait_seconds: float) -> None:
        """Do one round: take what ended, start what waits, exchange with the database."""
        self._take(self._executor.poll(min(wait_seconds, self._until_due())))
        self._start_waiting()
        try:
            if self._under_way is None:
                self._under_way = self._begin_call()
            if self._under_way is not None and self._under_way.answer.wait(PATIENCE_SECONDS):
                under_way, self._under_way = self._under_way, None
                under_way.finish(under_way.answer.result())
        except (DatabaseUnreachable, DatabaseLocked) as error:
            logger.warning("database away, evaluations run on: %s", error)
            self._away_until = self._clock.monotonic() + timing.DATABASE_RETRY_SECONDS

    def resume(self, connection: Connection, adopted: Sequence[Claim]) -> None:
        """Hold the attempts of a predecessor; they are started as if we had leased them."""
        self._campaigns.meet(connection, adopted)
        self._busy.adopt(adopted)
        self._waiting += adopted

    def drain(self) -> None:
        """Lease and start nothing more; what runs may end."""
        self._claiming = False

    def stop(self, grace_seconds: float) -> None:
        """Drain, and end what runs: TERM now, KILL after the grace."""
        self._claiming = False
        self._executor.cancel(list(self._held), grace_seconds)

    def say_end(self, reason: str) -> None:
        """As `LauncherDatabase.say_end`."""
        self.database.say_end(self._utilisation(reason))

    def _utilisation(self, ended: str = "") -> Utilisation:
        if self._shape is not None and (most := self._executor.most(self._shape)) > self.slots:
            self.slots = most
            logger.info("evaluations at once slots=%d", most)
        now = self._clock.monotonic()
        moment = Moment(
            self.deadline - now,
            self.bounds,
            not (self._claiming or ended),
            self._next,
            self._executor.room() is not None,
            self._executor.troubles,
        )
        return Utilisation(self.slots or None, self._busy.total(now), moment, ended)

    def _take(self, ended: Sequence[Ended]) -> None:
        self._busy.place(self._executor.placed())
        for told in ended:
            if isinstance(told, Unloadable):
                self._campaigns.refuse_function(told)
                continue
            one = self._busy.end(told, self._clock.monotonic())
            claimed = self._held.get(one.id)
            if claimed is not None and claimed.attempt == one.attempt:
                del self._held[one.id]
                self._ended.append(self.pauses.explained(claimed, one))
            else:  # it was cancelled, and the queue knows
                self._dying.discard(one.id)
            if isinstance(one, Outcome):
                self._learn_duration(claimed, one)

    def _learn_duration(self, claimed: Claim | None, outcome: Outcome) -> None:
        seconds = outcome.finished_at - outcome.started_at
        known = self._mean_seconds
        self._mean_seconds = seconds if known == float("inf") else 0.9 * known + 0.1 * seconds
        if claimed is not None and outcome.failure is None:
            self._campaigns.note_run(claimed, seconds, outcome.error)

    def _start_waiting(self) -> None:
        if not self._claiming:
            return
        still_waiting: list[Claim] = []
        self._waiting.sort(key=lambda one: one.id != self._next)
        for index, one in enumerate(self._waiting):
            if one.id != self._next and self._executor.room() is None:
                still_waiting += self._waiting[index:]
                break
            if self._campaigns.is_refused(one):
                self._give_back(one, "campaign refused")
            elif one.id in self._dying:
                still_waiting.append(one)
            elif not self._start(one):
                still_waiting.append(one)
                self._next = self._next or one.id
        self._waiting = still_waiting
        if not (self._held or self._dying) and self._executor.room() is None:
            self._give_all_back("nothing can be started here")  # others may run it
        self._most_held = max(self._most_held, len(self._held))

    def _start(self, one: Claim) -> bool:
        """Start one; True when it need not wait any longer: it was started, or never will be."""
        try:
            started = self._executor.start(one, self._campaigns.start_request(one))
        except (ShapeNeverFits, ContainerUnusable) as error:
            self._campaigns.refuse(one, str(error))
            self._give_back(one, "never fits")
            return True
        if started:
            self._held[one.id] = one
            self._busy.begin(one.id, self._clock.monotonic())
            if self._next == one.id:
                self._next = None
        return started

    def _give_back(self, one: Claim, reason: str) -> None:
        self._ended.append(Interrupted(one.id, one.attempt, reason, started=False))
        self._keep_no_room(one.id)

    def _give_all_back(self, reason: str) -> None:
        for one in self._waiting:
            self._give_back(one, reason)
        self._waiting = []

    def _keep_no_room(self, evaluation_id: int) -> None:
        if self._next == evaluation_id:
            self._next = None
            self._executor.cancel([evaluation_id], grace_seconds=0.0)

    def _begin_call(self) -> _UnderWay | None:
        """Begin the call that is due; None when none is."""
        now = self._clock.monotonic()
        if now < self._away_until or (now < self._exchange_at and self._is_stocked):
            return None
        if now >= self._sweep_at:  # first: a launcher that asks an empty queue always has an order
            self._sweep_at = now + timing.SWEEP_SECONDS
            return _UnderWay(self.database.begin_sweep(self._clock.now()), lambda _swept: None)
        order = self._order(now)
        if order is not None:
            return _UnderWay(self.database.begin_exchange(order), partial(self._hear, order, now))
        return None

    def _order(self, now: float) -> ExchangeOrder | None:
        """All that piled up and what the slots lack; None when there is nothing to tell or to ask."""
        wanted = self._wanted() if now >= self._ask_at else 0
        is_heartbeat_due = now >= self._heartbeat_at - self.database.seconds_earlier
        if not (self._ended or wanted or is_heartbeat_due or (self._waiting and not self._claiming)):
            return None
        capacity = None
        if wanted > 0 and self._next is None and now >= self._head_at:
            self._head_at = now + HEAD_SECONDS
            capacity = self._executor.capacity()
        return ExchangeOrder(
            ended=list(self._ended),
            given_back=[] if self._claiming else list(self._waiting),
            placed=self._busy.untold(now, SHORT_SECONDS if self._is_short else 0.0),
            wanted=wanted,
            # Full: ahead of time, of the shape that will be free.
            room=self._executor.room() or self._shape,
            capacity=capacity,
            # What does not fit an empty machine never does: lease one, to tell so instead of waiting.
            fits_anything=self.is_idle,
            seconds_left=self.deadline - now,
            bounds=self.bounds,
            heartbeat=self._utilisation() if is_heartbeat_due else None,
        )

    def _hear(self, order: ExchangeOrder, asked_at: float, reply: ExchangeReply) -> None:
        """Go on with what the database said."""
        self.has_asked = True
        self._exchange_at = self._clock.monotonic() + (GATHER_SECONDS if self._is_short else 0.0)
        del self._ended[: len(order.ended)]
        self._waiting = self._waiting[len(order.given_back) :]
        self.tally.note(order.ended)
        self._busy.note_told(order.placed)
        self._pace(asked_at, order.wanted, reply.claims)
        if reply.claims:
            self._shape = reply.claims[-1].resources
        self._drop_former({one.id for one in reply.claims})
        self._waiting += self._startable(reply.claims, order.seconds_left)
        if reply.held is not None:
            self._heartbeat_at = asked_at + timing.LAUNCHER_HEARTBEAT_SECONDS
            self._compare(reply.held)
        self.pauses.end(reply.to_pause, self._held)
        self._start_waiting()

    def _drop_former(self, ids: set[int]) -> None:
        """End former attempts of what was leased anew: they had been taken from us, and we had not heard."""
        for evaluation_id in ids.intersection(one.id for one in self._waiting):
            self._keep_no_room(evaluation_id)
        self._waiting = [one for one in self._waiting if one.id not in ids]
        self._end_early(ids.intersection(self._held))

    def _end_early(self, ids: Collection[int]) -> None:
        if ids:
            self._executor.cancel(ids, grace_seconds=5.0)
        for evaluation_id in ids:
            del self._held[evaluation_id]
            self._dying.add(evaluation_id)

    def _wanted(self) -> int:
        if not self._claiming or self.is_paused or (self._executor.room() is None and not self._is_short):
            return 0
        if self._shape is None:
            return 1  # it tells how large they are: with a guess we might lease many that then wait
        waiting = len(self._waiting) - (self._next is not None)
        wanted = self._executor.count(self._shape) + self._ahead - waiting
        if wanted <= 0 and not waiting and self._executor.room() is not None:
            return 1  # one of another shape may fit
        return min(CLAIM_AT_MOST, wanted)

    @property
    def _is_short(self) -> bool:
        return self._mean_seconds < SHORT_SECONDS

    @property
    def _ahead(self) -> int:
        """How many to lease beyond the slots: what they finish while endings are gathered."""
        if not self._is_short:
            return 0
        each = 2 * GATHER_SECONDS / max(self._mean_seconds, 1e-3)
        return self._most_held * min(AHEAD_PER_SLOT_AT_MOST, 1 + int(each))

    @property
    def _is_stocked(self) -> bool:
        """Whether the slots can go on for a while without the database."""
        return self._claiming and 2 * len(self._waiting) >= self._most_held

    def _startable(self, claims: Sequence[Claim], left: float) -> list[Claim]:
        """Release those that would hardly end in time, and fail those whose rows have no configuration."""
        self._ended += [without_configuration(one) for one in claims if not one.configuration]
        claims = [one for one in claims if one.configuration]
        too_long = self._campaigns.too_long(left, self.bounds)
        for one in claims:
            if one.campaign_id in too_long:
                self._give_back(one, "too little time left")
        return [one for one in claims if one.campaign_id not in too_long]

    def _pace(self, now: float, wanted: int, claims: Sequence[Claim]) -> None:
        """Ask a queue that had nothing less and less often."""
        if wanted <= 0:
            return
        self._pause = FIRST_ASK_SECONDS if claims else min(2 * self._pause, LAST_ASK_SECONDS)
        self._ask_at = now if len(claims) == wanted else now + self._pause

    def _until_due(self) -> float:
        """Seconds until the database is to be asked again."""
        if self._under_way is not None:
            return FIRST_ASK_SECONDS
        due = self._heartbeat_at
        if self._claiming and self._executor.room() is not None:
            due = min(due, self._ask_at)
        if self._ended:
            due = self._exchange_at if self._is_stocked else float("-inf")
        return max(0.0, max(due, self._away_until) - self._clock.monotonic())

    def _compare(self, held: set[tuple[int, int]]) -> None:
        """End what the queue took from us; give back what a commit of unknown end gave us."""
        mine = {(one.id, one.attempt) for one in [*self._held.values(), *self._waiting]}
        mine |= {(one.id, one.attempt) for one in self._ended}
        lost = [one.id for one in self._held.values() if (one.id, one.attempt) not in held]
        if lost:
            logger.info("cancelled or taken ids=%s", lost)
        self._end_early(lost)
        for one in self._waiting:
            if (one.id, one.attempt) not in held:
                self._keep_no_room(one.id)
        self._waiting = [one for one in self._waiting if (one.id, one.attempt) in held]
        self._ended += [Interrupted(*pair, "lease was not confirmed", started=False) for pair in held - mine]
