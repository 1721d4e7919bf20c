"""The nodes that a launcher may use, and how it reaches them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from ambs_hpc.errors import UsageError
from ambs_hpc.launcher.packing import Node, Share

LaunchOn = Callable[[str], Sequence[str]]
LaunchRanks = Callable[[Sequence[Share], int, Collection[str]], Sequence[str]]
LaunchOnAll = Callable[[Sequence[str]], Sequence[str]]


def on_this_node(_node: str) -> Sequence[str]:
    """The empty launch command: programs start here without one."""
    return ()


def on_no_nodes(_shares: Sequence[Share], _per_node: int, _variables: Collection[str]) -> Sequence[str]:
    """Nothing starts copies of a program side by side here.

    Raises:
        UsageError: always.
    """
    raise UsageError(
        "There is no launch command here. Use a launcher in an allocation, or a site that has one."
    )


def nowhere_else(_nodes: Sequence[str]) -> Sequence[str]:
    """Nothing starts programs on several nodes here.

    Raises:
        UsageError: always.
    """
    raise UsageError("There is no launch command here, so a pool of workers has one node only.")


@dataclass(frozen=True, slots=True)
class NodePool:
    """Where a launcher runs.

    Args:
        nodes: that evaluations may use.
        gpu_variable: the one variable that hides other GPUs.
        launch_on: the command that starts a program on a node; () for this one.
        launch_ranks: the command that starts copies of a program, as MPI ranks, on the nodes of some shares:
            so many on each, which see these variables.
        launch_on_all: the command that starts a program once on each of some nodes; the death of one copy
        leaves
            the others alone.
        folder: for what launchers keep beside the campaign, seen by all nodes; None for this machine alone.
        packs: whether several launch commands may share a node.
        most_at_once: launch commands that may run at a time; None without limit.
        allocation_id: ours, of the batch allocation around us.
        seconds_left: until the scheduler ends the allocation, less a margin; None when nobody does.
    """

    nodes: tuple[Node, ...]
    gpu_variable: str
    launch_on: LaunchOn = on_this_node
    launch_ranks: LaunchRanks = on_no_nodes
    launch_on_all: LaunchOnAll = nowhere_else
    folder: Path | None = None
    packs: bool = True
    most_at_once: int | None = None
    allocation_id: int | None = None
    seconds_left: float | None = None
