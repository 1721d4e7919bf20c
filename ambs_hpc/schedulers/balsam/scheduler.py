"""A Balsam site's agent as a scheduler: argument vectors and readers for the program in `main`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ambs_hpc.schedulers.helper_protocol import read_cancel, read_find, read_status, read_submission
from ambs_hpc.schedulers.protocol import ReadText, RegisteredScheduler
from ambs_hpc.schedulers.values import (
    CancelAnswer,
    CurrentAllocation,
    SchedulerCommand,
    StatusAnswer,
    Submission,
    SubmitRequest,
    at_least_one,
)

NAME = "balsam"
PROGRAM = (sys.executable, "-m", "ambs_hpc.schedulers.balsam.main")
ANYWHERE = Path("/")  # not the user's folder, whose `json.py` would be imported instead of Python's


@dataclass(frozen=True, slots=True)
class Balsam:
    """Batch jobs of Balsam sites; the script of a request is a JSON file that describes a batch job."""

    name: str = NAME

    def submit(self, request: SubmitRequest) -> SchedulerCommand[Submission]:
        """The program creates the batch job that the JSON file describes."""
        return SchedulerCommand(
            (*PROGRAM, "submit", str(request.script)), partial(read_submission, NAME), ANYWHERE
        )

    def status(self, ids: Sequence[str]) -> SchedulerCommand[StatusAnswer]:
        """The program asks about all batch jobs at once."""
        asked = at_least_one(ids)
        return SchedulerCommand((*PROGRAM, "status", *asked), partial(read_status, NAME, asked), ANYWHERE)

    def find(self, request: SubmitRequest) -> SchedulerCommand[tuple[str, ...]]:
        """The program looks for batch jobs that are newer than the submission and equal the described one."""
        return SchedulerCommand((*PROGRAM, "find", str(request.script)), partial(read_find, NAME), ANYWHERE)

    def cancel(self, ids: Sequence[str]) -> SchedulerCommand[CancelAnswer]:
        """The program asks for the end of each batch job."""
        asked = at_least_one(ids)
        return SchedulerCommand((*PROGRAM, "cancel", *asked), partial(read_cancel, NAME, asked), ANYWHERE)

    def current_allocation(self, environ: Mapping[str, str], read_text: ReadText) -> CurrentAllocation | None:
        """None, because Balsam's launcher runs in a batch job, and never ours."""
        return None


REGISTERED = RegisteredScheduler(lambda *_: Balsam(), in_site_files=False, script_suffix="json")
