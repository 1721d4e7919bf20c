"""The output of our programs that stand in for scheduler commands: `local.supervisor_main`, `balsam.main`."""

from __future__ import annotations

import json
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

REFUSED = 2  # exit status of a program that was told no
UNSENT = 3  # of one that could ask nobody: nothing was submitted
UNKNOWN = "no such process of this machine"


def read_submission(name: str, completed: Completed) -> Submission | CouldNotAsk:
    """One line, the id."""
    if completed.exit_code == 0 and completed.stdout.strip():
        return Submission(completed.stdout.strip())
    if completed.exit_code == REFUSED:
        raise SubmissionRejected(name, completed.words)
    if completed.exit_code == UNSENT:
        return CouldNotAsk(name, completed.words)
    raise SubmissionUnclear(name, completed.words)


def read_status(name: str, asked: Sequence[str], completed: Completed) -> StatusAnswer | CouldNotAsk:
    """One JSON object a line; unknown ids are left out."""
    if completed.exit_code != 0:
        return CouldNotAsk(name, completed.words)
    rows = [json.loads(line) for line in completed.stdout.splitlines()]
    known = {
        row["scheduler_id"]: AllocationStatus(**{**row, "state": AllocationState(row["state"])})
        for row in rows
    }
    return StatusAnswer(known, vanished=frozenset(asked) - known.keys())


def read_find(name: str, completed: Completed) -> tuple[str, ...] | CouldNotAsk:
    """Ids, one a line."""
    if completed.exit_code != 0:
        return CouldNotAsk(name, completed.words)
    return tuple(completed.stdout.split())


def read_cancel(name: str, asked: Sequence[str], completed: Completed) -> CancelAnswer | CouldNotAsk:
    """The ids that were accepted, one a line; of others what was said about them stands on stderr."""
    if completed.exit_code != 0:
        return CouldNotAsk(name, completed.words)
    accepted = frozenset(completed.stdout.split())
    return CancelAnswer(
        accepted, {each: completed.stderr.strip() or UNKNOWN for each in asked if each not in accepted}
    )
