"""Batch systems and this machine behind one protocol: command builders and output readers."""

from ambs_hpc.schedulers.backoff import Backoff
from ambs_hpc.schedulers.commands import ask, end_of_walltime, submit
from ambs_hpc.schedulers.protocol import Scheduler
from ambs_hpc.schedulers.registry import SCHEDULERS, RegisteredScheduler, registered, scheduler
from ambs_hpc.schedulers.values import (
    AllocationState,
    AllocationStatus,
    CancelAnswer,
    Completed,
    CouldNotAsk,
    CurrentAllocation,
    SchedulerCommand,
    StatusAnswer,
    Submission,
    SubmitRequest,
)

__all__ = [
    "SCHEDULERS",
    "AllocationState",
    "AllocationStatus",
    "Backoff",
    "CancelAnswer",
    "Completed",
    "CouldNotAsk",
    "CurrentAllocation",
    "RegisteredScheduler",
    "Scheduler",
    "SchedulerCommand",
    "StatusAnswer",
    "Submission",
    "SubmitRequest",
    "ask",
    "end_of_walltime",
    "registered",
    "scheduler",
    "submit",
]
