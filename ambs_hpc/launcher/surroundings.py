"""The nodes that a launcher may use, and how it reaches them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ambs_hpc.errors import UsageError
from ambs_hpc.launcher.packing import Node, Share

Reach = Callable[[str], Sequence[str]]
Spread = Callable[[Sequence[Share], int, Collection[str]], Sequence[str]]


def on_this_node(_node: str) -> Sequence[str]:
    """Nothing has to be put before a program to start it here."""
    return ()


def on_no_nodes(_shares: Sequence[Share], _per_node: int, _variables: Collection[str]) -> Sequence[str]:
    """Nothing starts copies of a program side by side here.

    Raises:
        UsageError: always.
    """
    raise UsageError(
        "There is no launch command here. Use a launcher in an allocation, or a site that has one."
    )


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a launcher runs.

    Args:
        nodes: that evaluations may use.
        gpu_variable: the one variable that hides other GPUs.
        reach: the command that starts a program on a node; () for this one.
        spread: the command that starts copies of a program, as MPI ranks, on the nodes of some shares:
            so many on each, which see these variables.
        packs: whether several launch commands may share a node.
        most_at_once: launch commands that may run at a time; None without limit.
        allocation_id: ours, of the batch allocation around us.
        seconds_left: until the scheduler ends the allocation, less a margin; None when nobody does.
    """

    nodes: tuple[Node, ...]
    gpu_variable: str
    reach: Reach = on_this_node
    spread: Spread = on_no_nodes
    packs: bool = True
    most_at_once: int | None = None
    allocation_id: int | None = None
    seconds_left: float | None = None
