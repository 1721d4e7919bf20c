"""This machine as a scheduler: argument vectors and readers for the program in `supervisor_main`."""

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

# By its path: with -m, a user's own `json.py` in the current folder would be imported instead of Python's.
PROGRAM = (sys.executable, str(Path(__file__).with_name("supervisor_main.py")))
NAME = "local"


@dataclass(frozen=True, slots=True)
class Local:
    """Detached processes of this machine; the records in `folder` tell ended ones from unknown ones."""

    folder: Path
    name: str = NAME

    def submit(self, request: SubmitRequest) -> SchedulerCommand[Submission]:
        """The program starts the script under a supervisor, in this environment."""
        arguments = [str(request.script), request.name, str(request.directory), str(request.walltime_seconds)]
        arguments += [request.after] if request.after else []
        return SchedulerCommand(
            self._argv("submit", *arguments), partial(read_submission, NAME), request.directory, inherits=True
        )

    def status(self, ids: Sequence[str]) -> SchedulerCommand[StatusAnswer]:
        """The program reads the records of all ids."""
        asked = at_least_one(ids)
        return SchedulerCommand(self._argv("status", *asked), partial(read_status, NAME, asked))

    def find(self, request: SubmitRequest) -> SchedulerCommand[tuple[str, ...]]:
        """The program looks for the name in all records."""
        return SchedulerCommand(self._argv("find", request.name), partial(read_find, NAME))

    def cancel(self, ids: Sequence[str]) -> SchedulerCommand[CancelAnswer]:
        """The program sends TERM to the supervisors."""
        asked = at_least_one(ids)
        return SchedulerCommand(self._argv("cancel", *asked), partial(read_cancel, NAME, asked))

    def current_allocation(self, environ: Mapping[str, str], read_text: ReadText) -> CurrentAllocation | None:
        """The allocation, from the variables that the supervisor sets for the script."""
        if "AMBS_LOCAL_ID" not in environ:
            return None
        ends_at = environ.get("AMBS_LOCAL_END", "")
        return CurrentAllocation(
            environ["AMBS_LOCAL_ID"], (environ["AMBS_LOCAL_HOST"],), float(ends_at) if ends_at else None
        )

    def _argv(self, verb: str, *arguments: str) -> tuple[str, ...]:
        return (*PROGRAM, verb, str(self.folder), *arguments)


REGISTERED = RegisteredScheduler(
    lambda _, folder: Local(folder), is_batch_system=False, records_in_folder=True, can_wait=True
)
