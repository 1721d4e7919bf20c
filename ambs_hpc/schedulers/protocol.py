"""What every scheduler can do: each verb is an argument vector and a reader, run by `commands` alone."""

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
        """What a site calls it: "cobalt", "pbs", "slurm", "local"."""
        ...

    def submit(self, request: SubmitRequest) -> SchedulerCommand[Submission]:
        """Queue the script.

        Reading raises SubmissionRejected when the scheduler said no, SubmissionUnclear when it may have said
        yes, and gives CouldNotAsk when the request cannot have reached it.
        """
        ...

    def status(self, ids: Sequence[str]) -> SchedulerCommand[StatusAnswer]:
        """Ask about one or more allocations at once; ValueError without any."""
        ...

    def find(self, request: SubmitRequest) -> SchedulerCommand[tuple[str, ...]]:
        """The ids of the user's allocations that bear the request's name, oldest first."""
        ...

    def cancel(self, ids: Sequence[str]) -> SchedulerCommand[CancelAnswer]:
        """End one or more allocations; ValueError without any."""
        ...

    def current_allocation(self, environ: Mapping[str, str], read_text: ReadText) -> CurrentAllocation | None:
        """The allocation that a process with this environment runs in; None outside of one.

        Raises:
            AllocationUnreadable: inside of one, but its nodes cannot be read.
        """
        ...
