"""A scheduler that knows when allocations ended, and tells it late, not at all, or too early."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from ambs_hpc.queue import VANISHED, list_allocations, note_allocation_state, reading, transaction
from ambs_hpc.schedulers import AllocationState, CouldNotAsk
from ambs_hpc.simulate.faults.fault_dice import FaultDice
from ambs_hpc.simulate.faults.fault_kinds import FaultKind
from ambs_hpc.sites.allocations import Refreshed

if TYPE_CHECKING:
    from sqlalchemy import Engine

LATE_SECONDS = 30.0  # mean time until an end is told
SILENT_SHARE = 0.5


class VirtualScheduler:
    """Allocations by the scheduler's own ids.

    Args:
        now: true virtual time.
    """

    def __init__(self, dice: FaultDice, now: Callable[[], float]) -> None:
        self._dice, self._now = dice, now
        self._over_from: dict[str, tuple[float, str]] = {}  # when and how it will be told that it is over
        self.told_over: dict[str, float] = {}  # when it was first told
        self._number = 0

    def grant(self) -> str:
        """The id of a new allocation."""
        self._number += 1
        return f"virtual-{self._number}"

    def end(self, scheduler_id: str) -> None:
        """Its processes are gone; somebody will hear of it."""
        moment = self._now() + self._dice.seconds(LATE_SECONDS)
        self._over_from.setdefault(scheduler_id, (moment, AllocationState.ENDED.value))

    def forget(self, scheduler_id: str) -> None:
        """The scheduler does not know it any more, while its processes may live."""
        self._over_from.setdefault(scheduler_id, (self._now(), VANISHED))

    def refresh(self, engine: Engine, user: str, now: float) -> Refreshed:
        """As `ambs_hpc.sites.allocations.refresh`: store what is over by now."""
        if self._dice.happens(FaultKind.SCHEDULER_SILENT, SILENT_SHARE):
            return Refreshed(1, (CouldNotAsk("virtual", "no answer"),))
        with reading(engine) as connection:
            known = {one.id: str(one.scheduler_id) for one in list_allocations(connection, over=False)}
        for allocation_id, scheduler_id in known.items():
            moment, state = self._over_from.get(scheduler_id, (math.inf, ""))
            if moment <= self._now():
                self.told_over.setdefault(scheduler_id, self._now())
                with transaction(engine) as connection:
                    note_allocation_state(connection, allocation_id, state)
        return Refreshed(1, ())
