"""The verbs of every scheduler: each is an argument vector and a reader, and `commands` alone runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from ambs_hpc.schedulers.values import (
    CancelAnswer,
    CurrentAllocation,
    SchedulerCommand,
    StatusAnswer,
    Submission,
    SubmitRequest,
)

ReadText = Callable[[str], str]  # a file's text by its path; OSError when it cannot be read


class Scheduler(Protocol):
    """A batch system, or this machine in its place."""

    @property
    def name(self) -> str:
        """Its name in the registry."""
        ...

    def submit(self, request: SubmitRequest) -> SchedulerCommand[Submission]:
        """Queue the script.

        The reader raises SubmissionRejected when the scheduler refused the script, SubmissionUnclear when it
        may have accepted it, and returns CouldNotAsk when the request cannot have reached it.
        """
        ...

    def status(self, ids: Sequence[str]) -> SchedulerCommand[StatusAnswer]:
        """Ask about one or more allocations at once; ValueError without any."""
        ...

    def find(self, request: SubmitRequest) -> SchedulerCommand[tuple[str, ...]]:
        """The ids of the user's allocations that have the request's name, oldest first."""
        ...

    def cancel(self, ids: Sequence[str]) -> SchedulerCommand[CancelAnswer]:
        """End one or more allocations; ValueError without any."""
        ...

    def current_allocation(self, environ: Mapping[str, str], read_text: ReadText) -> CurrentAllocation | None:
        """The allocation that a process with this environment runs in; None outside of one.

        Raises:
            AllocationUnreadable: the process runs in an allocation, but its nodes cannot be read.
        """
        ...
