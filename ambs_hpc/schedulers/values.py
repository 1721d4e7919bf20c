"""What is asked of a scheduler and what it answers, alike for all of them; nothing here runs anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Generic, TypeVar

from ambs_hpc.errors import UsageError

Answer = TypeVar("Answer")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,62}\Z")  # what all of them accept and print back unchanged


class AllocationState(str, Enum):
    """Where an allocation stands; every scheduler's own words map to these."""

    QUEUED = "QUEUED"  # waits for nodes
    HELD = "HELD"  # waits for somebody or something else: a hold, a dependency, a suspension
    STARTING = "STARTING"  # has its nodes, the script has not begun: boot, prologue
    RUNNING = "RUNNING"
    ENDING = "ENDING"  # being killed or cleaned up; the script may still live
    ENDED = "ENDED"  # the scheduler itself says that it is over; `own_state` and `comment` say how
    UNKNOWN = "UNKNOWN"  # the scheduler knows it, we do not know the word; never stands for gone

    @property
    def is_over(self) -> bool:
        """Nothing of it lives any more."""
        return self is AllocationState.ENDED


@dataclass(frozen=True, slots=True)
class AllocationStatus:
    """What the scheduler says about an allocation. Times are seconds since 1970 UTC.

    Args:
        own_state: the scheduler's own word ("user_hold", "R", "TIMEOUT"), with its exit status if it has one.
        nodes: how many it asked for or has; None when not said.
        started_at: None until it has started.
        ends_at: end of its walltime while it runs, when it ended if that is said, None otherwise.
        comment: the scheduler's reason in its own words, empty when it gives none.
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


@dataclass(frozen=True, slots=True)
class SubmitRequest:
    """A script to be submitted; its directives are inside it.

    Args:
        script: absolute path, executable, not to be changed afterwards.
        name: unique among the user's allocations: by it a lost answer is found again.
        directory: where the scheduler is called; it must exist. Relative outputs land there.
        walltime_seconds: for `local`, which reads no directives; the others take it from the script.

    Raises:
        UsageError: a name that some scheduler would refuse or change.
    """

    script: Path
    name: str
    directory: Path
    walltime_seconds: int

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
    """The scheduler took the script."""

    scheduler_id: str


@dataclass(frozen=True, slots=True)
class CouldNotAsk:
    """The scheduler gave no answer that could be used; every state stays as it was.

    Args:
        words: what was seen instead, for people.
    """

    command: str
    words: str

    def __str__(self) -> str:
        return f"{self.command} could not be asked: {self.words.strip() or 'no output'}"


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """The scheduler's word on every id that was asked; the three never overlap.

    Args:
        known: status by the id as it was asked.
        vanished: ids that the scheduler says it does not know (any more).
        unanswered: ids about which it said nothing; nothing follows for them.
    """

    known: Mapping[str, AllocationStatus]
    vanished: frozenset[str] = frozenset()
    unanswered: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CancelAnswer:
    """Which cancellations were taken; that an allocation has ended is for a status to say.

    Args:
        accepted: no objection was heard.
        refused: the reason by id: unknown, over already, somebody else's.
    """

    accepted: frozenset[str]
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CurrentAllocation:
    """The allocation that this process runs in.

    Args:
        nodes: names as the scheduler writes them (node numbers on a Cray under Cobalt), each once.
        ends_at: end of walltime if the environment says it, seconds since 1970 UTC; else ask the status.
    """

    scheduler_id: str
    nodes: tuple[str, ...]
    ends_at: float | None = None


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that was started, and what it left.

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
        """All that was said, errors first, for people."""
        said = "\n".join(part.strip() for part in (self.stderr, self.stdout) if part.strip())
        if said:
            return said
        return "no answer in time" if self.exit_code is None else f"exit status {self.exit_code}, no output"


@dataclass(frozen=True, slots=True)
class SchedulerCommand(Generic[Answer]):
    """An argument vector and how to read what it prints; building and reading are pure.

    Args:
        read: the answer; another command where a second question is needed. Submissions raise
            SubmissionRejected and SubmissionUnclear.
        directory: where it is run; None for anywhere.
        evidence: a file that the scheduler leaves; its text is handed to `read`.
        inherits: run in the caller's untouched environment, because the scheduler copies it into the
            allocation; all others run with fixed language and time zone.
    """

    argv: tuple[str, ...]
    read: Callable[[Completed], Answer | CouldNotAsk | SchedulerCommand[Answer]]
    directory: Path | None = None
    evidence: Path | None = None
    inherits: bool = False


def at_least_one(ids: Sequence[str]) -> tuple[str, ...]:
    """The ids, each once; a command without any would ask about, or end, everything."""
    if not ids:
        raise ValueError("no allocation was named")
    return tuple(dict.fromkeys(ids))
