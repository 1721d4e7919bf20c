"""What the benchmark of the executors measures: a number of equal evaluations on the slots of some nodes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Case:
    """One measurement: `evaluations` that each take `seconds`, on all slots of `nodes`."""

    executor: str
    nodes: int
    slots_per_node: int
    evaluations: int
    seconds: float
