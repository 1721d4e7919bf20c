"""The verbs of every scheduler: each is an argument vector and a reader, and `commands` alone runs them.

A module or package of this folder is a scheduler when it states its `REGISTERED`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ambs_hpc.schedulers.values import (
    CancelAnswer,
    Charge,
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


@dataclass(frozen=True, slots=True)
class RegisteredScheduler:
    """The creation of a scheduler, and what the rest of the program has to know about it.

    Args:
        create: the scheduler for a user and for the folder of the campaign's allocations.
        is_batch_system: it grants nodes of a machine that others use too.
        has_attributes: it takes directives as attributes, "key=value", which one option joins.
        has_chunks: it is asked for chunks of nodes, of which a site file may say more.
        counts_gpus: it can be asked for a number of GPUs of one node.
        records_in_folder: its records are in the folder, so each folder is asked about separately.
        in_site_files: a site file may name it.
        can_leave_out: a request may name nodes that it must not get.
        can_wait: an allocation may be submitted that waits for the end of another, however that one ends.
        routed_limits: the command that prints the limits of queues, where a routing queue takes a request
            that no queue behind it accepts, and then forgets it; empty elsewhere.
        status_ends_early: its status names an end of the walltime before the one in the environment.
        charges: asks its accounting about allocations; None where it has none that can be asked.
        script_suffix: suffix of the files that are submitted to it.
        mail: directives by which it writes to {address} when an allocation ends or fails; none where there
            are no such.
    """

    create: Callable[[str, Path], Scheduler]
    is_batch_system: bool = True
    has_attributes: bool = False
    has_chunks: bool = False
    counts_gpus: bool = False
    records_in_folder: bool = False
    in_site_files: bool = True
    can_leave_out: bool = False
    can_wait: bool = False
    routed_limits: str = ""
    status_ends_early: bool = False
    script_suffix: str = "sh"
    charges: Callable[[Sequence[str]], SchedulerCommand[Mapping[str, Charge]]] | None = None
    mail: tuple[str, ...] = ()
