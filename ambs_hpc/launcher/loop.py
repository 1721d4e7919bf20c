"""The launcher's loop: gather what ended, start what waits, exchange with the database."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ambs_hpc.clock import Clock
from ambs_hpc.errors import DatabaseLocked, DatabaseUnreachable
from ambs_hpc.launcher.campaigns import Campaigns
from ambs_hpc.launcher.database_calls import CallsAtOnce, DatabaseCalls, OpenCall
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
from ambs_hpc.launcher.lease.exchange_pace import FIRST_ASK_SECONDS, ExchangePace
from ambs_hpc.launcher.lease.held_leases import HeldLeases
from ambs_hpc.launcher.lease.lease_demand import SHORT_SECONDS, LeaseDemand
from ambs_hpc.launcher.lease.lease_starter import LeaseStarter
from ambs_hpc.launcher.rungs.rung_pauses import RungPauses
from ambs_hpc.launcher.runtime_estimate import RunTimeBounds, run_time_bounds
from ambs_hpc.launcher.tally import BusyTime, Tally
from ambs_hpc.records import Claim, NewLauncher, Outcome

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

logger = logging.getLogger(__name__)

TAKEN_GRACE_SECONDS = 5.0  # between TERM and KILL for what the queue took from us


class LauncherLoop:
    """One launcher; `step` is driven by a loop of its caller, on a real clock or a virtual one.

    Nothing waits for the database: while it is away, evaluations run on, what is leased starts, and what
    ended is kept. So the state of a launcher is what it holds (`HeldLeases`); an exchange tells the queue
    what of it has ended, and hears what was leased, taken or is to pause.
    """

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
        self._leases, self._busy = HeldLeases(), BusyTime()
        self._starter = LeaseStarter(self._leases, executor, self._campaigns, self._busy, clock)
        self._demand, self._pace = LeaseDemand(), ExchangePace()
        self._call = OpenCall()
        self._is_draining = False
        self.database = LauncherDatabase(
            engine, launcher_id, self._campaigns, calls or CallsAtOnce(), introduction
        )
        self.pauses = RungPauses(executor, self._campaigns)
        self.tally = Tally(refused=self._campaigns.refused)
        self.has_asked = False  # the database has said once what is to do
        self.slots = 0  # evaluations at once, of the smallest shape seen
        self.deadline = float("inf")  # monotonic: nothing is leased that would run past it
        self.bounds = RunTimeBounds()  # of what is expected of evaluations

    def step(self, wait_seconds: float) -> None:
        """Do one round; it waits so long at most for something to end."""
        self._gather(self._executor.poll(min(wait_seconds, self._seconds_until_due())))
        self._start_waiting()
        self._exchange()

    def resume(self, connection: Connection, adopted: Sequence[Claim]) -> None:
        """Hold the attempts of a predecessor; they are started as if we had leased them."""
        self._campaigns.meet(connection, adopted)
        self._busy.adopt(adopted)
        self._leases.add(adopted)

    def end_by(self, deadline: float, seconds: float) -> None:
        """Lease nothing that would run past the deadline, and give back what waits and would.

        Args:
            deadline: monotonic; infinity for none.
            seconds: from the launcher's start to the deadline.
        """
        self.deadline = deadline
        self.bounds = RunTimeBounds() if seconds == float("inf") else run_time_bounds(max(0.0, seconds))
        self._give_back_late(self._leases.waiting, deadline - self._clock.monotonic())

    def drain(self) -> None:
        """Lease and start nothing more; what runs may end."""
        self._is_draining = True

    def stop(self, grace_seconds: float) -> None:
        """Drain, and end what runs: TERM now, KILL after the grace."""
        self.drain()
        self._executor.cancel(list(self._leases.running), grace_seconds)

    def say_end(self, reason: str) -> None:
        """As `LauncherDatabase.say_end`."""
        self.database.say_end(self._utilisation(reason))

    # -- what a caller asks -------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        """Nothing runs, waits to be started, or has to be recorded."""
        return self._leases.is_empty

    @property
    def is_quiet(self) -> bool:
        """Nothing runs; what ended may still have to be recorded."""
        return not self._leases.running

    @property
    def is_asking(self) -> bool:
        """Whether the database has not answered yet: something may just be leased."""
        return self._call.is_open

    @property
    def is_paused(self) -> bool:
        """Whether there is no room although nothing runs: the nodes are in trouble that may pass."""
        return self._starter.is_blocked

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
        return self._campaigns.is_out_of_time(self.deadline - self._clock.monotonic(), self.bounds)

    # -- gather and start ---------------------------------------------------------------------------

    def _gather(self, ended: Sequence[Ended]) -> None:
        """Take what ended out of its slots, to be recorded."""
        self._busy.place(self._executor.placed())
        for one in ended:
            if isinstance(one, Unloadable):
                self._campaigns.refuse_function(one)
            else:
                self._take(self._busy.end(one, self._clock.monotonic()))

    def _take(self, ended: Outcome | Interrupted) -> None:
        claim = self._leases.take_ended(ended.id, ended.attempt)
        if claim is not None:  # else it was cancelled, and the queue knows
            self._leases.report(self.pauses.explained(claim, ended))
        if not isinstance(ended, Outcome):
            return
        seconds = ended.finished_at - ended.started_at
        self._demand.note_run(seconds)
        if claim is not None and ended.failure is None:
            self._campaigns.note_run(claim, seconds, ended.error)

    def _start_waiting(self) -> None:
        if not self._is_draining:
            self._starter.start_waiting()
            self._demand.note_running(len(self._leases.running))

    # -- exchange with the database -----------------------------------------------------------------

    def _exchange(self) -> None:
        """Begin the call that is due, and hear the answer of the one that is under way, if it is there."""
        try:
            if not self._call.is_open:
                self._begin_call(self._clock.monotonic())
            self._call.hear_within(PATIENCE_SECONDS)
        except (DatabaseUnreachable, DatabaseLocked) as error:
            logger.warning("database away, evaluations run on: %s", error)
            self._pace.note_away(self._clock.monotonic())

    def _begin_call(self, now: float) -> None:
        if self._pace.is_held_back(now, is_stocked=self._is_stocked):
            return
        if self._pace.take_sweep(now):  # first: a launcher that asks an empty queue always has an order
            self._call.open(self.database.begin_sweep(self._clock.now()), lambda _number: None)
        elif order := self._order(now):
            self._call.open(self.database.begin_exchange(order), partial(self._hear, order, now))

    def _order(self, now: float) -> ExchangeOrder | None:
        """All that piled up and what the slots lack; None when there is nothing to tell or to ask."""
        ended, wanted = self._leases.ended, self._wanted() if self._pace.may_ask(now) else 0
        given_back = self._leases.waiting if self._is_draining else []
        is_heartbeat_due = self._pace.is_heartbeat_due(now, self.database.seconds_earlier)
        if not (ended or given_back or wanted or is_heartbeat_due):
            return None
        takes_head = wanted > 0 and self._starter.room_for is None and self._pace.take_head(now)
        return ExchangeOrder(
            ended=ended,
            given_back=given_back,
            placed=self._busy.untold(now, SHORT_SECONDS if self._demand.is_short else 0.0),
            wanted=wanted,
            # Full: ahead of time, of the shape that will be free.
            room=self._executor.room() or self._demand.shape,
            capacity=self._executor.capacity() if takes_head else None,
            # What does not fit an empty machine never does: lease one, to tell so instead of waiting.
            fits_anything=self.is_idle,
            seconds_left=self.deadline - now,
            bounds=self.bounds,
            heartbeat=self._utilisation() if is_heartbeat_due else None,
        )

    def _hear(self, order: ExchangeOrder, asked_at: float, reply: ExchangeReply) -> None:
        """Go on with what the database said."""
        self.has_asked = True
        self._pace.note_exchange(self._clock.monotonic(), gathers=self._demand.is_short)
        self._pace.note_asked(asked_at, order.wanted, len(reply.claims))
        self._leases.note_recorded(order.ended, order.given_back)
        self.tally.note(order.ended)
        self._busy.note_told(order.placed)
        self._hold(reply.claims, order.seconds_left)
        if reply.held is not None:
            self._pace.note_heartbeat(asked_at)
            self._compare(reply.held)
        if reply.claims and not self.slots:
            self._pace.hasten_heartbeat(asked_at)  # says how many run at once: a search waits to hear it
        self.pauses.end(reply.to_pause, self._leases.running)
        self._start_waiting()

    def _hold(self, claims: Sequence[Claim], seconds_left: float) -> None:
        """Hold new leases; those of campaigns seen for the first time may take too long."""
        # Of some a former attempt may run here: it was taken from us, and we had not heard.
        self._end_taken(self._leases.withdraw({one.id for one in claims}))
        self._demand.note_leased(claims)
        startable = [one for one in claims if one.configuration]  # rows are written by others as well
        for one in claims:
            if not one.configuration:
                self._leases.report(without_configuration(one))
        self._leases.add(startable)
        self._give_back_late(startable, seconds_left)

    def _give_back_late(self, claims: Sequence[Claim], seconds_left: float) -> None:
        too_long = self._campaigns.too_long(seconds_left, self.bounds)
        late = [one for one in claims if one.campaign_id in too_long]
        self._starter.give_back(late, "too little time left")

    def _compare(self, held: set[tuple[int, int]]) -> None:
        """End what the queue took from us, and give back what it gave us by a commit of unknown end."""
        taken = self._leases.compare(held)
        if taken:
            logger.info("cancelled or taken ids=%s", taken)
        self._end_taken(taken)

    def _end_taken(self, running: Collection[int]) -> None:
        self._starter.release_room()
        if running:
            self._executor.cancel(running, TAKEN_GRACE_SECONDS)

    # -- what there is to say, and when --------------------------------------------------------------

    def _wanted(self) -> int:
        """How many evaluations to lease now."""
        if self._is_draining or self.is_paused:
            return 0
        waiting = len(self._leases.waiting) - (self._starter.room_for is not None)
        has_room = self._executor.room() is not None
        return self._demand.wanted(waiting, self._executor.count, has_room=has_room)

    @property
    def _is_stocked(self) -> bool:
        """Whether the slots can go on for a while without the database."""
        return not self._is_draining and self._demand.is_met_by(len(self._leases.waiting))

    def _seconds_until_due(self) -> float:
        """Until the database is to be spoken to again, or may have answered."""
        if self._call.is_open:
            return FIRST_ASK_SECONDS
        return self._pace.seconds_until_due(
            self._clock.monotonic(),
            asks=not self._is_draining and self._executor.room() is not None,
            reports=bool(self._leases.ended),
            is_stocked=self._is_stocked,
        )

    def _utilisation(self, ended: str = "") -> Utilisation:
        """How busy the slots are; `ended`: why the launcher has ended."""
        shape, now = self._demand.shape, self._clock.monotonic()
        if shape is not None and (most := self._executor.most(shape)) > self.slots:
            self.slots = most
            logger.info("evaluations at once slots=%d", most)
        moment = Moment(
            seconds_left=self.deadline - now,
            bounds=self.bounds,
            is_draining=self._is_draining and not ended,
            next_id=self._starter.room_for,
            has_room=self._executor.room() is not None,
            troubles=self._executor.troubles,
        )
        return Utilisation(self.slots or None, self._busy.total(now), moment, ended)
