"""What a search reads: new endings by a cursor, and all its proposals once when it is rebuilt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import Connection, Integer, bindparam, func, select

from ambs_hpc.errors import RowUnusable
from ambs_hpc.queue.schema.tables import (
    campaign,
    campaign_progress,
    evaluation,
    is_finished,
    is_from_here,
    source,
)
from ambs_hpc.queue.sql.row_mapping import DatabaseRow, proposal_value
from ambs_hpc.queue.sql.stored_values import (
    UNUSABLE,
    configuration_or_none,
    number_in_row,
    object_or_empty,
    tell_fault,
    usable,
    word_in,
)
from ambs_hpc.records import Finished, Proposal
from ambs_hpc.states import State

EVERY_ORDINAL = -(2**31)


class Proposed(NamedTuple):
    """A proposal and its state; `sequence` is its finish sequence, 0 while it has not ended.

    Its configuration is UNUSABLE where its row has none.
    """

    id: int
    ordinal: int
    proposal: Proposal
    state: State
    objective: float | None
    sequence: int
    metrics: Mapping[str, object] = {}


def finished_since(
    connection: Connection,
    campaign_id: int,
    sequence: int,
    limit: int = 10_000,
    *,
    with_metrics: bool = False,
) -> list[Finished]:
    """Evaluations that ended after the cursor, in order; the last one's `sequence` is the next cursor.

    An evaluation that ends again (rerun, late result) is listed again, with a new sequence. The configuration
    is UNUSABLE where its row has none.

    Args:
        sequence: 0 for the beginning.
        limit: at most this many; the next call continues after them.
        with_metrics: read their metrics, which may be long.
    """
    parameters = {"campaign": campaign_id, "cursor": sequence, "max_rows": limit}
    return usable(connection.execute(_MEASURED if with_metrics else _FINISHED, parameters), _ended)


def _ended(row: DatabaseRow) -> Finished:
    return Finished(
        row[0],
        row.id,
        row.ordinal,
        configuration_or_none(row.configuration, row.id),
        word_in(State, row.state, "evaluation", row.id, "state"),
        number_in_row(row.objective, "evaluation", row.id, "objective"),
        row.failure_kind,
        row.signature,
        row.proposal_kind,
        object_or_empty(row[9], "evaluation", row.id, "metrics") if len(row) > 9 else {},
    )


_FINISHED = (
    select(
        *(evaluation.c[name] for name in ("finish_sequence", "id", "ordinal", "configuration", "state")),
        *(evaluation.c[name] for name in ("objective", "failure_kind", "signature", "proposal_kind")),
    )
    .where(
        is_finished,
        evaluation.c.campaign_id == bindparam("campaign"),
        evaluation.c.finish_sequence > bindparam("cursor"),
    )
    .order_by(evaluation.c.finish_sequence)
    .limit(bindparam("max_rows", type_=Integer()))
)


_MEASURED = _FINISHED.add_columns(evaluation.c.metrics)


class Marks(NamedTuple):
    """Numbers that only grow as long as a database does not go back to an older copy.

    Args:
        enqueued: evaluations of the campaign so far.
        sequence: the latest finish sequence of the campaign.
        revision: the newest one of the campaign.
        added: those of the evaluations that people added.
        imported: results of elsewhere, which are none of the evaluations.
        sources: from which its search starts warm.
    """

    enqueued: int
    sequence: int
    revision: int
    added: int
    imported: int
    sources: int


def marks_of(connection: Connection, campaign_id: int) -> Marks:
    """How far the campaign is in this database; nowhere when it has no such campaign."""
    row = connection.execute(_MARKS, {"campaign": campaign_id}).one_or_none()
    return Marks(0, 0, 0, 0, 0, 0) if row is None else Marks(*row)


_MARKS = (
    select(
        campaign_progress.c.enqueued,
        campaign_progress.c.finish_sequence,
        campaign.c.revision,
        campaign_progress.c.added,
        campaign_progress.c.imported,
        select(func.count()).where(source.c.campaign_id == bindparam("campaign")).scalar_subquery(),
    )
    .join(campaign, campaign.c.id == campaign_progress.c.campaign_id)
    .where(campaign_progress.c.campaign_id == bindparam("campaign"))
)


def recent_run_seconds(connection: Connection, campaign_id: int, limit: int) -> list[float]:
    """The run times of those among the latest `limit` endings that are DONE, the oldest first."""
    rows = connection.execute(_RECENT, {"campaign": campaign_id, "max_rows": limit}).all()
    return [
        row.finished_at - row.started_at
        for row in reversed(rows)
        if row.state == State.DONE.value and row.started_at is not None
    ]


_RECENT = (
    select(evaluation.c.state, evaluation.c.started_at, evaluation.c.finished_at)
    .where(is_finished, is_from_here, evaluation.c.campaign_id == bindparam("campaign"))
    .order_by(evaluation.c.finish_sequence.desc())
    .limit(bindparam("max_rows", type_=Integer()))
)


def proposals_of(
    connection: Connection,
    campaign_id: int,
    first_ordinal: int = EVERY_ORDINAL,
    *,
    with_metrics: bool = False,
) -> list[Proposed]:
    """The campaign's proposals from `first_ordinal` on, in ordinal order, as one snapshot.

    Below 0 are what people gave, imported results among them.
    """
    column = evaluation.c
    statement = (
        select(
            column.id,
            column.ordinal,
            column.configuration,
            column.proposal_kind,
            column.proposal_mean,
            column.proposal_std,
            column.proposal_acquisition,
            column.state,
            column.objective,
            column.finish_sequence,
        )
        .where(column.campaign_id == campaign_id, column.ordinal >= first_ordinal)
        .order_by(column.ordinal)
    )
    if with_metrics:
        statement = statement.add_columns(column.metrics)
    return [_proposed(row) for row in connection.execute(statement)]


def _proposed(row: DatabaseRow) -> Proposed:
    """The proposal; one that cannot be used is here nevertheless, as if it had not ended, for its ordinal."""
    proposal = proposal_value(row)
    try:
        state = word_in(State, row.state, "evaluation", row.id, "state")
        number_in_row(row.objective, "evaluation", row.id, "objective")
    except RowUnusable as fault:
        tell_fault(fault)
        unknown = replace(proposal, configuration=UNUSABLE)
        return Proposed(row.id, row.ordinal, unknown, State.READY, None, 0)
    metrics = object_or_empty(row[10], "evaluation", row.id, "metrics") if len(row) > 10 else {}
    return Proposed(row.id, row.ordinal, proposal, state, row.objective, row.finish_sequence or 0, metrics)
