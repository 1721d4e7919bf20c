"""A Balsam site's agent as a scheduler: argument vectors and readers for the program in `balsam_process`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ambs_hpc.schedulers.helper_protocol import read_cancel, read_find, read_status, read_submission
from ambs_hpc.schedulers.protocol import ReadText
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
    """Batch jobs of Balsam sites; a request's script is a file of JSON that describes one."""

    name: str = NAME

    def submit(self, request: SubmitRequest) -> SchedulerCommand[Submission]:
        return SchedulerCommand(
            (*PROGRAM, "submit", str(request.script)), partial(read_submission, NAME), ANYWHERE
        )

    def status(self, ids: Sequence[str]) -> SchedulerCommand[StatusAnswer]:
        asked = at_least_one(ids)
        return SchedulerCommand((*PROGRAM, "status", *asked), partial(read_status, NAME, asked), ANYWHERE)

    def find(self, request: SubmitRequest) -> SchedulerCommand[tuple[str, ...]]:
        return SchedulerCommand((*PROGRAM, "find", str(request.script)), partial(read_find, NAME), ANYWHERE)

    def cancel(self, ids: Sequence[str]) -> SchedulerCommand[CancelAnswer]:
        asked = at_least_one(ids)
        return SchedulerCommand((*PROGRAM, "cancel", *asked), partial(read_cancel, NAME, asked), ANYWHERE)

    def current_allocation(self, environ: Mapping[str, str], read_text: ReadText) -> CurrentAllocation | None:
        """None: what runs in a batch job of Balsam's is Balsam's launcher, not ours."""
        return None
