"""How attempts ended, as the records that the queue takes."""

from __future__ import annotations

import time

from ambs_hpc.launcher.supervisor.messages import AttemptReport, StartRequest
from ambs_hpc.records import Claim, Outcome
from ambs_hpc.states import FailureKind

BLAMED = (
    "its supervising process was killed twice, the second time with nothing else in it: the evaluation kills "
    "its parent, or the machine kills what it starts"
)


def outcome_of(report: AttemptReport) -> Outcome:
    """A supervisor's report, or an outcome file, as the record that the queue takes."""
    return Outcome(
        id=report.id,
        attempt=report.attempt,
        token=report.token,
        started_at=report.started_at,
        finished_at=report.finished_at,
        node=report.node,
        objective=report.objective,
        metrics=report.metrics,
        failure=FailureKind(report.failure) if report.failure else None,
        error=report.error,
        exit_status=report.exit_status,
    )


def without_configuration(claim: Claim) -> Outcome:
    """The end of an attempt that cannot start: its row in the database has no configuration."""
    now = time.time()
    error = "ValueError: nothing was run: the row of this evaluation has no configuration that can be run"
    failure = FailureKind.ERROR
    return Outcome(claim.id, claim.attempt, claim.token, now, now, "", failure=failure, error=error)


def blamed(request: StartRequest, node: str) -> Outcome:
    """The end of an attempt under which its supervisor died twice, the second time with nothing beside it."""
    now = time.time()
    failure = FailureKind.ERROR
    return Outcome(request.id, request.attempt, request.token, now, now, node, failure=failure, error=BLAMED)
