"""The nodes that a launcher may use, and how it reaches them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ambs_hpc.launcher.packing import Node

Reach = Callable[[str], Sequence[str]]


def on_this_node(_node: str) -> Sequence[str]:
    """Nothing has to be put before a program to start it here."""
    return ()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a launcher runs.

    Args:
        nodes: that evaluations may use.
        gpu_variable: the one variable that hides other GPUs.
        reach: the command that starts a program on a node; () for this one.
        allocation_id: ours, of the batch allocation around us.
        seconds_left: until the scheduler ends the allocation, less a margin; None when nobody does.
    """

    nodes: tuple[Node, ...]
    gpu_variable: str
    reach: Reach = on_this_node
    allocation_id: int | None = None
    seconds_left: float | None = None
