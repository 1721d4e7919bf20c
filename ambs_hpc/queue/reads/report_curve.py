"""What an evaluation told of itself while it ran, all its attempts together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Exists, and_, exists, func, select

from ambs_hpc.queue.schema.tables import report
from ambs_hpc.queue.sql.stored_values import object_or_empty


@dataclass(frozen=True, slots=True)
class Report:
    """What it told at a step.

    Args:
        attempt: that told it; of several, the newest.
        at: seconds since 1970 UTC.
        thinned: reports of that attempt since the one before that are not kept.
    """

    step: int
    objective: float
    attempt: int
    at: float
    metrics: Mapping[str, Any] = field(default_factory=dict)
    thinned: int = 0


def reports_of(connection: Connection, evaluation_id: int, last: int | None = None) -> list[Report]:
    """The evaluation's reports by rising step, one for each; [] where it told of nothing.

    Args:
        last: only so many, those of the highest steps; None for all.
    """
    one = report.c
    statement = (
        select(one.step, one.objective, one.attempt, one.at, one.metrics, one.thinned)
        .where(one.evaluation_id == evaluation_id, ~_is_replaced())
        .order_by(one.step.desc())
        .limit(last)
    )
    return [
        Report(
            row.step,
            row.objective,
            row.attempt,
            row.at,
            object_or_empty(row.metrics, "report", f"{evaluation_id}, {row.step}", "metrics"),
            row.thinned,
        )
        for row in reversed(connection.execute(statement).all())
    ]


def report_counts(connection: Connection, evaluation_id: int) -> tuple[int, int]:
    """How many reports `reports_of` gives of the evaluation, and how many were thinned out between them."""
    statement = select(func.count(), func.coalesce(func.sum(report.c.thinned), 0)).where(
        report.c.evaluation_id == evaluation_id, ~_is_replaced()
    )
    kept, thinned = connection.execute(statement).one()
    return int(kept), int(thinned)


def _is_replaced() -> Exists:
    """Whether a later attempt has told of the same step."""
    newer = report.alias("newer")
    return exists().where(
        and_(
            newer.c.evaluation_id == report.c.evaluation_id,
            newer.c.step == report.c.step,
            newer.c.attempt > report.c.attempt,
        )
    )
