"""Batch systems and this machine behind one protocol: command builders and output readers."""

from ambs_hpc.schedulers.backoff import Backoff
from ambs_hpc.schedulers.commands import ask, found_by_name, submit, with_status
from ambs_hpc.schedulers.protocol import RegisteredScheduler, Scheduler
from ambs_hpc.schedulers.registry import SCHEDULERS, registered, scheduler
from ambs_hpc.schedulers.values import (
    AllocationState,
    AllocationStatus,
    CancelAnswer,
    Charge,
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
    "Charge",
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
    "found_by_name",
    "registered",
    "scheduler",
    "submit",
    "with_status",
]
