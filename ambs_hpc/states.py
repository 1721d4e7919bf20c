"""The states of an evaluation and the one table of legal moves; SQL, commands and documentation follow it."""

from __future__ import annotations

from enum import Enum


class State(str, Enum):
    """Where an evaluation stands."""

    READY = "READY"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Nothing moves it but a person's rerun."""
        return self in FINAL


class FailureKind(str, Enum):
    """Why an evaluation failed; always the evaluation's own doing except LOST."""

    ERROR = "ERROR"  # an exception, or a non-zero exit status
    TIMEOUT = "TIMEOUT"  # ran past its own time limit
    OUT_OF_MEMORY = "OUT_OF_MEMORY"  # passed its memory limit, or was killed for memory
    BAD_RESULT = "BAD_RESULT"  # ended well, but left no finite number
    LOST = "LOST"  # interrupted more often than max_interruptions allows


class Move(str, Enum):
    """What happened to an evaluation; the `move` of an event."""

    ENQUEUE = "enqueue"
    CLAIM = "claim"
    ADOPT = "adopt"  # taken up by a launcher whose predecessor died, where somebody else runs it on
    COMPLETE = "complete"
    FAIL = "fail"
    RETRY = "retry"  # failed, but max_failures allows another attempt
    RELEASE = "release"  # given back by its launcher; an interruption unless it never started
    SWEEP = "sweep"  # taken from a dead launcher; an interruption
    LOSE = "lose"  # an interruption too many
    CANCEL = "cancel"
    RERUN = "rerun"
    ACCEPT_LATE = "accept_late"  # a presumed dead attempt delivered after all


FINAL = frozenset({State.DONE, State.FAILED, State.CANCELLED})

MOVES: dict[Move, tuple[frozenset[State], State]] = {
    Move.ENQUEUE: (frozenset(), State.READY),
    Move.CLAIM: (frozenset({State.READY}), State.RUNNING),
    Move.ADOPT: (frozenset({State.RUNNING}), State.RUNNING),
    Move.COMPLETE: (frozenset({State.RUNNING}), State.DONE),
    Move.FAIL: (frozenset({State.RUNNING}), State.FAILED),
    Move.RETRY: (frozenset({State.RUNNING}), State.READY),
    Move.RELEASE: (frozenset({State.RUNNING}), State.READY),
    Move.SWEEP: (frozenset({State.RUNNING}), State.READY),
    Move.LOSE: (frozenset({State.RUNNING}), State.FAILED),
    Move.CANCEL: (frozenset({State.READY, State.RUNNING}), State.CANCELLED),
    Move.RERUN: (frozenset({State.FAILED, State.CANCELLED}), State.READY),
    # Delivered by an attempt that was swept: its successor may be waiting, running, or lost as well.
    Move.ACCEPT_LATE: (frozenset({State.READY, State.RUNNING, State.FAILED}), State.DONE),
}


def is_legal(move: Move, before: State | None) -> bool:
    """Whether `move` may start from `before`; None stands for an evaluation that is not stored yet."""
    sources, _ = MOVES[move]
    return not sources if before is None else before in sources
