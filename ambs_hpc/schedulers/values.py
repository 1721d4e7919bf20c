"""The questions to a scheduler and its answers, the same for all schedulers; nothing here runs anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Generic, TypeVar

from ambs_hpc.errors import UsageError
from ambs_hpc.held_parts import HeldPart

Answer = TypeVar("Answer")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,62}\Z")  # what all schedulers accept and print unchanged


class AllocationState(str, Enum):
    """The state of an allocation; every scheduler's own states map to these."""

    QUEUED = "QUEUED"  # waits for nodes
    HELD = "HELD"  # waits for a person or an event: a hold, a dependency, a suspension
    STARTING = "STARTING"  # has its nodes, the script has not begun: boot, prologue
    RUNNING = "RUNNING"
    ENDING = "ENDING"  # being killed or cleaned up; the script may still live
    ENDED = "ENDED"  # the scheduler itself says that it is over; `own_state` and `comment` say how
    UNKNOWN = "UNKNOWN"  # the scheduler knows the allocation, we do not know the state; it may be alive

    @property
    def is_over(self) -> bool:
        """Whether no process of the allocation can be alive."""
        return self is AllocationState.ENDED


@dataclass(frozen=True, slots=True)
class AllocationStatus:
    """What a scheduler reports about an allocation. Times are seconds since 1970 UTC.

    Args:
        own_state: the scheduler's own name of the state ("user_hold", "R", "TIMEOUT"), with
            its exit status if it has one.
        nodes: how many it requested or has; None when not reported.
        started_at: None until it has started.
        ends_at: end of its walltime while it runs, later the time when it ended; None when not reported.
        comment: the scheduler's own text for the reason, empty when it gives none.
        processors: how many it was granted on each node, by the node's short name; empty when not reported.
        is_exclusive: nobody else gets its nodes, however few processors it requested.
        expected_start_at: of one that waits, where the scheduler plans so far ahead; it may change.
    """

    scheduler_id: str
    state: AllocationState
    own_state: str
    name: str = ""
    queue: str = ""
    nodes: int | None = None
    walltime_seconds: int | None = None
    started_at: float | None = None
    ends_at: float | None = None
    comment: str = ""
    processors: Mapping[str, int] = field(default_factory=dict)
    is_exclusive: bool = False
    expected_start_at: float | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """What a scheduler's accounting says of an allocation. Times are seconds since 1970 UTC.

    Args:
        node_seconds: nodes that it had, by the time that it had them.
        ended_at: None while it runs.
        parts: oldest first; () where it does not tell them apart.
    """

    node_seconds: float
    started_at: float | None
    ended_at: float | None
    parts: tuple[HeldPart, ...] = ()


@dataclass(frozen=True, slots=True)
class SubmitRequest:
    """A script to be submitted; its directives are inside it.

    Args:
        script: absolute path, executable, not to be changed afterwards.
        name: unique among the user's allocations, so that a lost answer can be found by it.
        directory: where the scheduler is called; it must exist. Relative outputs are written there.
        walltime_seconds: for `local`, which reads no directives; the others take it from the script.
        after: the scheduler's id of an allocation of the same user, before whose end, however it ends, this
            one must not start; empty for none. Only for schedulers with `can_wait`.

    Raises:
        UsageError: some scheduler would refuse or change the name, or the script's path is relative.
    """

    script: Path
    name: str
    directory: Path
    walltime_seconds: int
    after: str = ""

    def __post_init__(self) -> None:
        if not NAME.match(self.name):
            raise UsageError(
                f"allocation name {self.name!r}: schedulers take a letter, then letters, digits, '_', '.' "
                "and '-', 63 in all. Choose such a name."
            )
        if not self.script.is_absolute():
            raise UsageError(
                f"script {self.script}: schedulers resolve relative paths differently. Give an absolute one."
            )


@dataclass(frozen=True, slots=True)
class Submission:
    """The scheduler accepted the script."""

    scheduler_id: str


@dataclass(frozen=True, slots=True)
class CouldNotAsk:
    """The scheduler gave no usable answer; every state stays as it was.

    Args:
        words: the output or error seen instead, for people.
    """

    command: str
    words: str

    def __str__(self) -> str:
        return f"{self.command} could not be asked: {self.words.strip() or 'no output'}"


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """The scheduler's answer for every id that was asked; the three fields never overlap.

    Args:
        known: status by the id as it was asked.
        vanished: ids that the scheduler reports as unknown (to it, or by now).
        unanswered: ids that it did not mention; nothing follows for them.
    """

    known: Mapping[str, AllocationStatus]
    vanished: frozenset[str] = frozenset()
    unanswered: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CancelAnswer:
    """Which cancellations were accepted; whether an allocation has ended, only a status says.

    Args:
        accepted: ids without an objection.
        refused: the reason by id: unknown, already over, another user's.
    """

    accepted: frozenset[str]
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CurrentAllocation:
    """The allocation that this process runs in.

    Args:
        nodes: names as the scheduler writes them (node numbers on a Cray under Cobalt), each once.
        ends_at: end of walltime, seconds since 1970 UTC; None when the environment lacks it: ask the status.
        processors: how many hardware threads it may use of each node, in the order of `nodes`; () when the
            scheduler does not say, and a node's own number is to be taken.
        is_exclusive: nobody else gets these nodes. All of a node may then be used although fewer processors
            were requested, unless the scheduler confines us to these.
    """

    scheduler_id: str
    nodes: tuple[str, ...]
    ends_at: float | None = None
    processors: tuple[int, ...] = ()
    is_exclusive: bool = False


@dataclass(frozen=True, slots=True)
class Completed:
    """The result of a command that was started.

    Args:
        exit_code: None when it was stopped for taking too long; negative for a signal.
        evidence: text of the command's evidence file, None when there is none.
    """

    exit_code: int | None
    stdout: str
    stderr: str
    evidence: str | None = None

    @property
    def words(self) -> str:
        """The whole output, errors first, for people."""
        said = "\n".join(part.strip() for part in (self.stderr, self.stdout) if part.strip())
        if said:
            return said
        return "no answer in time" if self.exit_code is None else f"exit status {self.exit_code}, no output"


@dataclass(frozen=True, slots=True)
class SchedulerCommand(Generic[Answer]):
    """An argument vector and how to read what it prints; building and reading are pure.

    Args:
        read: reads the answer, or gives another command where a second question is needed. Submissions raise
            SubmissionRejected and SubmissionUnclear.
        directory: where the command is run; None for anywhere.
        evidence: a file that the scheduler writes; its text is passed to `read`.
        inherits: run in the caller's environment, because the scheduler copies it into the allocation, but
            without the variables that would overrule the request; all other commands run with fixed language
            and time zone.
        may_repeat: the client may submit again by itself when an answer is lost, so that what it says may be
            about the repetition alone.
    """

    argv: tuple[str, ...]
    read: Callable[[Completed], Answer | CouldNotAsk | SchedulerCommand[Answer]]
    directory: Path | None = None
    evidence: Path | None = None
    inherits: bool = False
    may_repeat: bool = False


def at_least_one(ids: Sequence[str]) -> tuple[str, ...]:
    """The ids, each once; a command without ids would ask about, or end, all allocations."""
    if not ids:
        raise ValueError("no allocation was named")
    return tuple(dict.fromkeys(ids))
