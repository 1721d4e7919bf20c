"""How all campaigns of a database stand, for whoever watches: a few statements, and none for each row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, select

from ambs_hpc.queue.reads.best_results import best_feasible
from ambs_hpc.queue.reads.campaigns import get_campaign
from ambs_hpc.queue.reads.launchers import HeldNumber, count_running
from ambs_hpc.queue.schema.tables import (
    campaign,
    campaign_progress,
    evaluation,
    evaluation_event,
    is_done,
    is_running,
    unindexed,
)
from ambs_hpc.queue.sql.clock import now
from ambs_hpc.queue.sql.metric_numbers import json_or_null
from ambs_hpc.queue.sql.row_mapping import DatabaseRow
from ambs_hpc.queue.sql.stored_values import usable
from ambs_hpc.states import State


@dataclass(frozen=True, slots=True)
class CampaignLine:
    """A campaign in one line.

    Args:
        counts: evaluations by state, imported results aside.
        running: those of them that run for certain; the others that are RUNNING are leased.
        added: those of them that people added.
        max_evaluations: the budget; None where it goes on until it is stopped.
        best: the best objective, the first of several, among results known to keep the constraints; None
            before there is one.
        search_silence_seconds: since the last heartbeat of its search, by the database's clock; None where
            none has it.
    """

    id: int
    name: str
    method: str
    direction: str
    revision: int
    counts: Mapping[State, int]
    running: int
    added: int
    imported: int
    max_evaluations: int | None
    best: float | None
    search_silence_seconds: float | None


def campaign_lines(connection: Connection, limit: int | None = None) -> list[CampaignLine]:
    """All campaigns, the newest first, in two statements whose costs do not grow with what has ended.

    One more for each campaign with constraints reads what is better than its best and breaks them.

    Args:
        limit: at most this many; None for all.
    """
    progress, whose = campaign_progress.c, unindexed(evaluation.c.campaign_id)
    counting = select(whose, func.count(), count_running()).where(is_running).group_by(whose)
    held = {row[0]: HeldNumber(*row[1:]) for row in connection.execute(counting)}
    statement = (
        select(
            campaign.c.id,
            campaign.c.name,
            campaign.c.method,
            campaign.c.direction,
            campaign.c.revision,
            campaign.c.max_evaluations,
            *(
                progress[name]
                for name in ("enqueued", "done", "failed", "cancelled", "paused", "added", "imported")
            ),
            _BEST.label("best"),
            json_or_null(connection, campaign.c.problem)["constraints"].label("constraints"),
            (now(connection) - progress.search_heartbeat_at).label("silence"),
        )
        .join(campaign_progress, progress.campaign_id == campaign.c.id)
        .order_by(campaign.c.id.desc())
        .limit(limit)
    )

    def line(row: DatabaseRow) -> CampaignLine:
        best = _best_feasible(connection, row.id) if row.constraints else row.best
        return _line(row, held.get(row.id, HeldNumber(0, 0)), best)

    return usable(connection.execute(statement).all(), line)


def last_event_id(connection: Connection) -> int:
    """The number of the last move of any evaluation, 0 before the first: where it is the same, all is."""
    return int(connection.execute(select(func.coalesce(func.max(evaluation_event.c.id), 0))).scalar_one())


def _extreme(function: Any) -> ColumnElement[float]:
    """The objective at one end of the index of results, of the campaign of the row around it."""
    statement = select(function(evaluation.c.objective)).where(
        is_done, evaluation.c.campaign_id == campaign.c.id
    )
    return statement.correlate(campaign).scalar_subquery()


_BEST = case((campaign.c.direction == "minimize", _extreme(func.min)), else_=_extreme(func.max))


def _best_feasible(connection: Connection, campaign_id: int) -> float | None:
    rows = best_feasible(connection, get_campaign(connection, campaign_id))
    return rows[0].objective if rows else None


def _line(row: Any, held: HeldNumber, best: float | None) -> CampaignLine:
    still = {
        State.PAUSED: row.paused,
        State.DONE: row.done,
        State.FAILED: row.failed,
        State.CANCELLED: row.cancelled,
    }
    # A claim between the two statements of an isolation level that shows it must not make this negative.
    ready = max(0, row.enqueued - sum(still.values()) - held.held)
    return CampaignLine(
        id=row.id,
        name=row.name,
        method=row.method,
        direction=row.direction,
        revision=row.revision,
        counts={State.READY: ready, State.RUNNING: held.held, **still},
        running=held.running,
        added=row.added,
        imported=row.imported,
        max_evaluations=row.max_evaluations,
        best=best,
        search_silence_seconds=row.silence,
    )
