"""The allocations of a simulated machine: when how many slots exist."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SimulatedAllocation:
    """Slots that a scheduler grants to one launcher.

    Args:
        slots: number of evaluations at once, >= 1.
        starts_after: seconds in the queue, >= 0.
        walltime: seconds until the launcher has to end, > 0.
    """

    slots: int
    starts_after: float = 0.0
    walltime: float = math.inf


def shared(slots: int, launchers: int = 1) -> list[SimulatedAllocation]:
    """Slots that exist all the time, divided evenly among launchers; at most one launcher for each slot."""
    launchers = min(slots, launchers)
    return [
        SimulatedAllocation(slots // launchers + (index < slots % launchers)) for index in range(launchers)
    ]


def renewed(
    allocations: Sequence[SimulatedAllocation], walltime: float, queue_wait: float, until: float
) -> list[SimulatedAllocation]:
    """The same slots in allocations that follow one another.

    Args:
        allocations: the first ones, which start at the beginning.
        walltime: walltime of each in seconds, > 0.
        queue_wait: seconds from the end of one to the start of the next, >= 0.
        until: seconds from the beginning after which none starts.
    """
    every = walltime + queue_wait
    return [
        SimulatedAllocation(one.slots, round_ * every, walltime)
        for round_ in range(math.ceil(until / every))
        for one in allocations
    ]


def most_slots(allocations: Sequence[SimulatedAllocation]) -> int:
    """The largest number of slots that exist at once."""
    return max(
        sum(
            other.slots
            for other in allocations
            if other.starts_after <= one.starts_after < other.starts_after + other.walltime
        )
        for one in allocations
    )


def slot_seconds(allocations: Sequence[SimulatedAllocation], first: float, end: float) -> float:
    """Slot-seconds that the allocations offer between two moments, in seconds from the beginning."""
    return sum(
        one.slots * max(0.0, min(end, one.starts_after + one.walltime) - max(first, one.starts_after))
        for one in allocations
    )
