"""This machine as a scheduler: argument vectors and readers for the program in `local_process`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ambs_hpc.errors import SubmissionRejected, SubmissionUnclear
from ambs_hpc.schedulers.protocol import ReadText
from ambs_hpc.schedulers.values import (
    AllocationState,
    AllocationStatus,
    CancelAnswer,
    Command,
    Completed,
    CouldNotAsk,
    Here,
    StatusAnswer,
    Submission,
    SubmitRequest,
    at_least_one,
)

# By its path: with -m, a user's own `json.py` in the current folder would be imported instead of Python's.
PROGRAM = (sys.executable, str(Path(__file__).with_name("local_process.py")))
REFUSED = 2  # exit status of the program when it did nothing


@dataclass(frozen=True, slots=True)
class Local:
    """Detached processes of this machine; `folder` tells ended ones from unknown ones."""

    folder: Path
    name: str = "local"

    def submit(self, request: SubmitRequest) -> Command[Submission]:
        arguments = (str(request.script), request.name, str(request.directory), str(request.walltime_seconds))
        return Command(self._argv("submit", *arguments), read_submission, request.directory, inherits=True)

    def status(self, ids: Sequence[str]) -> Command[StatusAnswer]:
        asked = at_least_one(ids)
        return Command(self._argv("status", *asked), partial(read_status, asked=asked))

    def find(self, request: SubmitRequest) -> Command[tuple[str, ...]]:
        return Command(self._argv("find", request.name), read_find)

    def cancel(self, ids: Sequence[str]) -> Command[CancelAnswer]:
        asked = at_least_one(ids)
        return Command(self._argv("cancel", *asked), partial(read_cancel, asked=asked))

    def here(self, environ: Mapping[str, str], read_text: ReadText) -> Here | None:
        """What the supervisor put into the script's environment."""
        if "AMBS_LOCAL_ID" not in environ:
            return None
        ends_at = environ.get("AMBS_LOCAL_END", "")
        return Here(
            environ["AMBS_LOCAL_ID"], (environ["AMBS_LOCAL_HOST"],), float(ends_at) if ends_at else None
        )

    def _argv(self, verb: str, *arguments: str) -> tuple[str, ...]:
        return (*PROGRAM, verb, str(self.folder), *arguments)


def read_submission(completed: Completed) -> Submission:
    """One line, `PID.TICKS`."""
    if completed.exit_code == 0 and completed.stdout.strip():
        return Submission(completed.stdout.strip())
    if completed.exit_code == REFUSED:
        raise SubmissionRejected("local", completed.words)
    raise SubmissionUnclear("local", completed.words)


def read_status(completed: Completed, asked: Sequence[str]) -> StatusAnswer | CouldNotAsk:
    """One JSON object a line; unknown ids are left out."""
    if completed.exit_code != 0:
        return CouldNotAsk("local", completed.words)
    rows = [json.loads(line) for line in completed.stdout.splitlines()]
    known = {
        row["scheduler_id"]: AllocationStatus(**{**row, "state": AllocationState(row["state"])})
        for row in rows
    }
    return StatusAnswer(known, vanished=frozenset(asked) - known.keys())


def read_find(completed: Completed) -> tuple[str, ...] | CouldNotAsk:
    if completed.exit_code != 0:
        return CouldNotAsk("local", completed.words)
    return tuple(completed.stdout.split())


def read_cancel(completed: Completed, asked: Sequence[str]) -> CancelAnswer | CouldNotAsk:
    """The ids that were signalled, one a line."""
    if completed.exit_code != 0:
        return CouldNotAsk("local", completed.words)
    accepted = frozenset(completed.stdout.split())
    return CancelAnswer(
        accepted, {each: "no such process of this machine" for each in asked if each not in accepted}
    )
