"""What a node's time can be spent on, and how much of a node an attempt occupies."""

from __future__ import annotations

from enum import Enum

from ambs_hpc.queue import AllocationTimes, AttemptUse, LauncherLife, LauncherNode
from ambs_hpc.states import IdleReason, Move

# A launcher that dies so shortly before the end of its allocation's walltime was killed for it.
WALLTIME_SECONDS = 60.0


class Use(str, Enum):
    """What a node's time was spent on; the first ones belong to campaigns, the others to nobody."""

    USEFUL = "useful"  # attempts with a result
    RUNNING = "running"  # attempts that still run
    PAUSED = "paused"  # attempts that paused; those that left a checkpoint go on from it
    RETRIED = "retried"  # attempts that failed and were tried again
    FAILED = "failed"  # attempts that failed for good
    CANCELLED = "cancelled"  # attempts that were cancelled
    WALLTIME = "walltime"  # attempts cut off by the end of the allocation
    STOPPED = "stopped"  # attempts cut off because somebody ended their launcher
    LOST = "lost"  # attempts lost with their launcher or node
    SEARCH_THINKS = "search_thinks"
    ALL_PROPOSED = "all_proposed"
    NO_SEARCH = "no_search"
    DOES_NOT_FIT = "does_not_fit"
    TOO_LITTLE_TIME = "too_little_time"
    ROOM_KEPT = "room_kept"
    REFUSED = "refused"
    NODE_TROUBLE = "node_trouble"
    LEFT_OUT = "left_out"  # nodes that the launcher does not use
    BETWEEN = "between"  # between one evaluation and the next, while no slot was said to be idle
    UNTOLD = "untold"  # idle, and the launcher has not stored why
    START_UP = "start_up"
    WIND_DOWN = "wind_down"
    LAUNCHER_DEAD = "launcher_dead"  # from the last sign of life on
    NO_LAUNCHER = "no_launcher"  # of allocations in which none ever started

    @property
    def words(self) -> str:
        """For a person."""
        return WORDS_OF_ATTEMPTS.get(self) or _OTHER_WORDS[self]


WORDS_OF_ATTEMPTS = {
    Use.USEFUL: "useful",
    Use.RUNNING: "running now",
    Use.PAUSED: "paused at rungs",
    Use.RETRIED: "failed and tried again",
    Use.FAILED: "failed",
    Use.CANCELLED: "cancelled",
    Use.WALLTIME: "lost to walltime",
    Use.STOPPED: "lost as the launcher was stopped",
    Use.LOST: "lost with its launcher or node",
}
_OTHER_WORDS = {
    Use.SEARCH_THINKS: "idle: nothing waited, the search was at work",
    Use.ALL_PROPOSED: "idle: nothing waited, all was proposed",
    Use.NO_SEARCH: "idle: nothing waited, no search lived",
    Use.DOES_NOT_FIT: "idle: what waited did not fit",
    Use.TOO_LITTLE_TIME: "idle: too little time left for what waited",
    Use.ROOM_KEPT: "idle: room was kept for a larger one",
    Use.REFUSED: "idle: the launcher refused what waited",
    Use.NODE_TROUBLE: "idle: the node was in trouble",
    Use.LEFT_OUT: "idle: the node was left out",
    Use.BETWEEN: "idle: between two evaluations",
    Use.UNTOLD: "idle: no reason stored",
    Use.START_UP: "start-up",
    Use.WIND_DOWN: "wind-down",
    Use.LAUNCHER_DEAD: "launcher dead",
    Use.NO_LAUNCHER: "no launcher started",
}
_OF_IDLENESS = {
    IdleReason.SEARCH_THINKS: Use.SEARCH_THINKS,
    IdleReason.ALL_PROPOSED: Use.ALL_PROPOSED,
    IdleReason.NO_SEARCH: Use.NO_SEARCH,
    IdleReason.DOES_NOT_FIT: Use.DOES_NOT_FIT,
    IdleReason.TOO_LITTLE_TIME: Use.TOO_LITTLE_TIME,
    IdleReason.ROOM_KEPT: Use.ROOM_KEPT,
    IdleReason.REFUSED: Use.REFUSED,
    IdleReason.NODE_TROUBLE: Use.NODE_TROUBLE,
    IdleReason.DRAINING: Use.WIND_DOWN,
    IdleReason.BUSY: Use.BETWEEN,
}
_BY_MOVE = {
    Move.COMPLETE.value: Use.USEFUL,
    Move.ACCEPT_LATE.value: Use.USEFUL,
    Move.RETRY.value: Use.RETRIED,
    Move.FAIL.value: Use.FAILED,
    Move.CANCEL.value: Use.CANCELLED,
    "pause": Use.PAUSED,
}
_AT_WALLTIME = ("ended (time limit", "ended (allocation over")
_STOPPED = "stopped"  # the words of an attempt that its launcher ended


def use_of_idleness(reason: str) -> Use:
    """The use of idle time under a stored reason; one of a newer version counts as none."""
    try:
        return _OF_IDLENESS[IdleReason(reason)]
    except ValueError:
        return Use.UNTOLD


def use_of_attempt(
    attempt: AttemptUse, launcher: LauncherLife, around: AllocationTimes | None, *, lives: bool
) -> Use:
    """What an attempt's time was spent on.

    Args:
        around: the allocation around the launcher; None where it was started by hand.
        lives: whether the launcher does.
    """
    if not attempt.move:
        return Use.RUNNING if lives else Use.LOST
    if attempt.move in _BY_MOVE:
        return _BY_MOVE[attempt.move]
    ends_at = None if around is None else around.ends_at
    is_at_end = ends_at is not None and (attempt.finished_at or 0.0) >= ends_at - WALLTIME_SECONDS
    if launcher.idle.startswith(_AT_WALLTIME) or is_at_end:
        return Use.WALLTIME
    return Use.STOPPED if attempt.detail == _STOPPED else Use.LOST


def share_of_node(attempt: AttemptUse, node: LauncherNode | None, slots_per_node: float) -> float:
    """How much of each of its nodes an attempt occupies, in (0, 1].

    A node on which k attempts of this shape have room is full when k of them run, whatever is left over.

    Args:
        node: what it has to give; None where that is not known.
        slots_per_node: of its launcher, for such a node.
    """
    if attempt.whole_node or attempt.nodes > 1:
        return 1.0
    if node is None:
        return 1.0 / max(1.0, slots_per_node)
    room = [float(node.cores // attempt.cores)]
    if attempt.gpus:
        room.append(float(node.gpus // attempt.gpus))
    if attempt.memory_gib and node.memory_gib:
        room.append(node.memory_gib // attempt.memory_gib)
    if node.most is not None:
        room.append(node.most)
    return 1.0 / max(1.0, min(room))
