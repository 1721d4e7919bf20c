"""The states of an evaluation and the table of legal moves, which SQL, verbs and documentation follow."""

from __future__ import annotations

from enum import Enum


class State(str, Enum):
    """The state of an evaluation, as it is stored."""

    READY = "READY"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"  # ended at a rung of its campaign's fidelity, with its checkpoint; may be promoted
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Whether the evaluation has ended; only a rerun, or a late result after LOST, changes it."""
        return self in FINAL


class FailureKind(str, Enum):
    """Why an evaluation failed; every kind but LOST is caused by the evaluation itself."""

    ERROR = "ERROR"  # an exception, or a non-zero exit status
    TIMEOUT = "TIMEOUT"  # ran past its own time limit
    OUT_OF_MEMORY = "OUT_OF_MEMORY"  # passed its memory limit, or was killed for memory
    BAD_RESULT = "BAD_RESULT"  # exited with 0, but left no finite number
    LOST = "LOST"  # interrupted more often than max_interruptions allows


class Move(str, Enum):
    """A change of an evaluation's state, as its event names it."""

    ENQUEUE = "enqueue"
    IMPORT = "import"  # a result of elsewhere
    IMPORT_FAILURE = "import_failure"  # of elsewhere
    CLAIM = "claim"
    ADOPT = "adopt"  # taken over by a dead launcher's successor, while a Balsam site runs it
    COMPLETE = "complete"
    FAIL = "fail"
    RETRY = "retry"  # failed, but max_failures allows another attempt
    RELEASE = "release"  # returned by its launcher; an interruption unless it never started
    SWEEP = "sweep"  # taken from a dead launcher; an interruption
    KEEP = "keep"  # it is among those that run on from a rung
    PAUSE = "pause"  # it is not, and was ended; nothing is counted against it
    PROMOTE = "promote"  # by now it is among those that run on
    LOSE = "lose"  # interrupted more often than max_interruptions allows
    CANCEL = "cancel"
    RERUN = "rerun"
    ACCEPT_LATE = "accept_late"  # completed by an attempt that was taken from its launcher before


class NodeEventKind(str, Enum):
    """What happened on a node. None of it is an evaluation's own failure."""

    PROBED = "PROBED"  # looked at before its first evaluation, and well
    IMPORTED = "IMPORTED"  # how long the import of an objective took
    PROBE_FAILED = "PROBE_FAILED"  # too few GPUs, or a folder that cannot be written
    CLOCK_OFF = "CLOCK_OFF"  # its clock and the database's differ
    UNWRITABLE = "UNWRITABLE"  # could not write an evaluation's folder
    BLACK_HOLE = "BLACK_HOLE"  # everything failed at once there, and went well elsewhere
    SUPERVISOR_LOST = "SUPERVISOR_LOST"  # what starts evaluations there died
    NODE_LOST = "NODE_LOST"  # nothing starts there any more
    FORGIVEN = "FORGIVEN"  # a person wants it used again


FINAL = frozenset({State.DONE, State.FAILED, State.CANCELLED})

# Each move, the states from which it may start, and the state to which it leads.
MOVES: dict[Move, tuple[frozenset[State], State]] = {
    Move.ENQUEUE: (frozenset(), State.READY),
    Move.IMPORT: (frozenset(), State.DONE),
    Move.IMPORT_FAILURE: (frozenset(), State.FAILED),
    Move.CLAIM: (frozenset({State.READY}), State.RUNNING),
    Move.ADOPT: (frozenset({State.RUNNING}), State.RUNNING),
    Move.COMPLETE: (frozenset({State.RUNNING}), State.DONE),
    Move.FAIL: (frozenset({State.RUNNING}), State.FAILED),
    Move.RETRY: (frozenset({State.RUNNING}), State.READY),
    Move.RELEASE: (frozenset({State.RUNNING}), State.READY),
    Move.SWEEP: (frozenset({State.RUNNING}), State.READY),
    Move.KEEP: (frozenset({State.RUNNING}), State.RUNNING),
    Move.PAUSE: (frozenset({State.RUNNING}), State.PAUSED),
    Move.PROMOTE: (frozenset({State.PAUSED}), State.READY),
    Move.LOSE: (frozenset({State.RUNNING}), State.FAILED),
    Move.CANCEL: (frozenset({State.READY, State.RUNNING, State.PAUSED}), State.CANCELLED),
    Move.RERUN: (frozenset({State.FAILED, State.CANCELLED, State.PAUSED}), State.READY),
    # The attempt was swept, released or paused before: the next one may wait, run, be paused, or LOST.
    Move.ACCEPT_LATE: (frozenset({State.READY, State.RUNNING, State.PAUSED, State.FAILED}), State.DONE),
}


def is_legal(move: Move, before: State | None) -> bool:
    """Whether `move` may start from `before`; None stands for an evaluation that is not stored yet."""
    sources, _ = MOVES[move]
    return not sources if before is None else before in sources
