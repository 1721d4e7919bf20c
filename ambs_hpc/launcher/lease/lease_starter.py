"""Starts what a launcher has leased, as slots become free."""

from __future__ import annotations

from collections.abc import Iterable

from ambs_hpc.clock import Clock
from ambs_hpc.errors import ContainerUnusable, ShapeNeverFits
from ambs_hpc.launcher.campaigns import Campaigns
from ambs_hpc.launcher.executors.protocol import Executor
from ambs_hpc.launcher.lease.held_leases import HeldLeases
from ambs_hpc.launcher.tally import BusyTime
from ambs_hpc.records import Claim


class LeaseStarter:
    """Starts leases in their order, but for one that needs more room than there is: room is kept for it."""

    def __init__(
        self, leases: HeldLeases, executor: Executor, campaigns: Campaigns, busy: BusyTime, clock: Clock
    ) -> None:
        self._leases, self._executor, self._campaigns = leases, executor, campaigns
        self._busy, self._clock = busy, clock
        self.room_for: int | None = None  # the evaluation, which waits

    @property
    def is_blocked(self) -> bool:
        """Whether there is no room although nothing runs: the nodes are in trouble that may pass."""
        is_vacant = not self._leases.occupies_slots and self.room_for is None
        return is_vacant and self._executor.room() is None

    def start_waiting(self) -> None:
        """Start what fits; what can never be started here is given back, so that others may run it."""
        for claim in sorted(self._leases.waiting, key=lambda one: one.id != self.room_for):
            if claim.id != self.room_for and self._executor.room() is None:
                break
            if self._campaigns.is_refused(claim):
                self.give_back([claim], "campaign refused")
            elif not self._leases.is_leaving(claim.id):
                self._start(claim)
        if not self._leases.occupies_slots and self._executor.room() is None:
            self.give_back(self._leases.waiting, "nothing can be started here")

    def give_back(self, claims: Iterable[Claim], reason: str) -> None:
        """These are not started here."""
        for claim in claims:
            self._leases.give_back(claim, reason)
        self.release_room()

    def release_room(self) -> None:
        """Keep no room for what does not wait any more."""
        if self.room_for is not None and not self._leases.waits(self.room_for):
            self._executor.cancel([self.room_for], grace_seconds=0.0)
            self.room_for = None

    def _start(self, claim: Claim) -> None:
        try:
            is_started = self._executor.start(claim, self._campaigns.start_request(claim))
        except (ShapeNeverFits, ContainerUnusable) as error:
            self._campaigns.refuse(claim, str(error))
            self.give_back([claim], "never fits")
            return
        if is_started:
            self._leases.start(claim)
            self._busy.begin(claim.id, self._clock.monotonic())
        if is_started and self.room_for == claim.id:
            self.room_for = None  # it is in it
        elif not is_started and self.room_for is None:
            self.room_for = claim.id
