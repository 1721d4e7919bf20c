"""What evaluations reported at the rungs of their campaign's fidelity, and which are to be paused there."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, Integer, bindparam, func, select

from ambs_hpc.queue.schema.rung_tables import rung_result
from ambs_hpc.queue.schema.tables import evaluation, is_running
from ambs_hpc.queue.sql.stored_values import configuration_or_none, usable, word_in
from ambs_hpc.records import Configuration
from ambs_hpc.states import State


class RungResult(NamedTuple):
    """What an evaluation reported at a rung: one row of each, of which step and value never change.

    Args:
        sequence: rises within a campaign as results become visible: the cursor of `rung_results_since`.
        rung: its step.
        step: of the report: the first one at the rung or above it.
        value: the objective there, in the campaign's units.
        kept: it ran on at once, and is not held there since.
        promoted_at: when it was let run on later, seconds since 1970 UTC; None for not.
        state: of the evaluation, now.
        reason: of what happened last there, in words.
        at: when it was stored, seconds since 1970 UTC.
        is_held: it may not run on from there now; once it has ended, as it was then.
    """

    sequence: int
    evaluation_id: int
    ordinal: int
    configuration: Configuration
    rung: int
    step: int
    value: float
    kept: bool
    promoted_at: float | None
    state: State
    reason: str
    at: float
    is_held: bool


_RESULTS = select(
    rung_result.c.id,
    rung_result.c.evaluation_id,
    evaluation.c.ordinal,
    evaluation.c.configuration,
    rung_result.c.rung,
    rung_result.c.step,
    rung_result.c.value,
    rung_result.c.kept,
    rung_result.c.promoted_at,
    evaluation.c.state,
    rung_result.c.reason,
    rung_result.c.at,
    (func.coalesce(evaluation.c.paused_rung, -1) == rung_result.c.rung).label("is_held"),
).join(evaluation, evaluation.c.id == rung_result.c.evaluation_id)


def rung_results_since(
    connection: Connection, campaign_id: int, sequence: int = 0, limit: int = 10_000
) -> list[RungResult]:
    """What evaluations of the campaign, in whatever state, have reached after the cursor, in order.

    An evaluation's latest rung is its last row here: rungs are reached in order.

    Args:
        sequence: of the last one that was read; 0 for the beginning.
        limit: at most this many; the next call continues after them.
    """
    parameters = {"campaign": campaign_id, "cursor": sequence, "max_rows": limit}
    return usable(connection.execute(_SINCE, parameters), _result)


_SINCE = (
    _RESULTS.where(rung_result.c.campaign_id == bindparam("campaign"), rung_result.c.id > bindparam("cursor"))
    .order_by(rung_result.c.id)
    .limit(bindparam("max_rows", type_=Integer()))
)


def rungs_of(connection: Connection, evaluation_id: int) -> list[RungResult]:
    """The evaluation's results at rungs, the lowest first."""
    statement = _RESULTS.where(rung_result.c.evaluation_id == evaluation_id).order_by(rung_result.c.rung)
    return usable(connection.execute(statement), _result)


def to_be_paused(connection: Connection, launcher_id: int) -> set[tuple[int, int]]:
    """The (id, attempt) of what the launcher runs and is to end, because it is paused at a rung."""
    rows = connection.execute(_TO_BE_PAUSED, {"launcher": launcher_id})
    return {(row.id, row.attempt) for row in rows}


_TO_BE_PAUSED = select(evaluation.c.id, evaluation.c.attempt).where(
    is_running, evaluation.c.launcher_id == bindparam("launcher"), evaluation.c.paused_rung.is_not(None)
)


def _result(row: tuple[object, ...]) -> RungResult:
    found = RungResult(*row)  # type: ignore[arg-type]  # as the columns are above
    return found._replace(
        configuration=configuration_or_none(found.configuration, found.evaluation_id),
        state=word_in(State, found.state, "evaluation", found.evaluation_id, "state"),
    )
