"""The output of our own programs in place of scheduler commands: `local.supervisor_main`, `balsam.main`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from ambs_hpc.errors import SubmissionRejected, SubmissionUnclear
from ambs_hpc.schedulers.values import (
    AllocationState,
    AllocationStatus,
    CancelAnswer,
    Completed,
    CouldNotAsk,
    StatusAnswer,
    Submission,
)

REFUSED = 2  # exit status: the request was refused
UNSENT = 3  # exit status: nobody could be asked, so nothing was submitted
UNKNOWN = "no such process of this machine"
_ID = re.compile(r"^(\d+(?:\.\d+)?)$", re.MULTILINE)  # a batch job's; a process's with its start
_STATUS = '{"scheduler_id": '


def read_submission(name: str, completed: Completed) -> Submission | CouldNotAsk:
    """The id, on one line; what a library prints beside it is passed over."""
    found = _ID.findall(completed.stdout)
    if completed.exit_code == 0 and found:
        return Submission(found[-1])
    if completed.exit_code == REFUSED:
        raise SubmissionRejected(name, completed.words)
    if completed.exit_code == UNSENT:
        return CouldNotAsk(name, completed.words)
    raise SubmissionUnclear(name, completed.words)


def read_status(name: str, asked: Sequence[str], completed: Completed) -> StatusAnswer | CouldNotAsk:
    """The statuses, one JSON object on each line; unknown ids are left out."""
    if completed.exit_code != 0:
        return CouldNotAsk(name, completed.words)
    rows = [json.loads(line) for line in completed.stdout.splitlines() if line.startswith(_STATUS)]
    known = {
        row["scheduler_id"]: AllocationStatus(**{**row, "state": AllocationState(row["state"])})
        for row in rows
    }
    return StatusAnswer(known, vanished=frozenset(asked) - known.keys())


def read_find(name: str, completed: Completed) -> tuple[str, ...] | CouldNotAsk:
    """The ids, one on each line."""
    if completed.exit_code != 0:
        return CouldNotAsk(name, completed.words)
    return tuple(_ID.findall(completed.stdout))


def read_cancel(name: str, asked: Sequence[str], completed: Completed) -> CancelAnswer | CouldNotAsk:
    """The accepted ids, one on each line; the reason for the others is on stderr."""
    if completed.exit_code != 0:
        return CouldNotAsk(name, completed.words)
    accepted = frozenset(completed.stdout.split())
    return CancelAnswer(
        accepted, {each: completed.stderr.strip() or UNKNOWN for each in asked if each not in accepted}
    )
