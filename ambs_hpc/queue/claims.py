"""Evaluations come in and are leased."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, false, insert, or_, select, update

from ambs_hpc.queue.batches import id_in
from ambs_hpc.queue.database_clock import now, read_now
from ambs_hpc.queue.events import NewEvent, record
from ambs_hpc.queue.notices import Channel, notify
from ambs_hpc.queue.progress import add_enqueued
from ambs_hpc.queue.schema import campaign, evaluation, is_ready
from ambs_hpc.queue.values import DatabaseRow, json_value, resources_value
from ambs_hpc.records import Claim, NewEvaluation, Resources
from ambs_hpc.states import Move, State


def enqueue(connection: Connection, campaign_id: int, new: Sequence[NewEvaluation]) -> list[int]:
    """Store evaluations as READY; their ids in the order given.

    Raises:
        sqlalchemy.exc.IntegrityError: an ordinal of this campaign is taken.
    """
    if not new:
        return []
    statement = insert(evaluation).returning(evaluation.c.id, sort_by_parameter_order=True)
    created_at = read_now(connection)
    rows = [_new_row(campaign_id, created_at, one) for one in new]
    ids = list(connection.execute(statement, rows).scalars())
    record(connection, [NewEvent(evaluation_id, Move.ENQUEUE, 0) for evaluation_id in ids])
    add_enqueued(connection, campaign_id, len(ids))
    notify(connection, Channel.READY)
    return ids


def claim(
    connection: Connection,
    launcher_id: int,
    limit: int,
    *,
    room: Resources | None = None,
    time_left_seconds: float | None = None,
    campaign_ids: Sequence[int] | None = None,
) -> list[Claim]:
    """Lease up to `limit` READY evaluations, highest priority first, then the oldest; [] when there is none.

    Args:
        room: the largest shape that fits now; its memory_gib 0 means that memory is not counted. Only what
            fits into it in every respect is leased.
        time_left_seconds: until the end of walltime; a longer time limit is left for another launcher. One
            without a limit is leased, and interrupted if need be.
        campaign_ids: only of these campaigns.
    """
    if limit <= 0:
        return []
    # PostgreSQL may evaluate a subquery with LIMIT more than once, not a CTE that locks rows.
    picked = (
        select(evaluation.c.id)
        .where(is_ready, *_fits(connection, room, time_left_seconds, campaign_ids))
        .order_by(evaluation.c.priority.desc(), evaluation.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("picked")
    )
    name = select(campaign.c.name).where(campaign.c.id == evaluation.c.campaign_id).scalar_subquery()
    statement = (
        update(evaluation)
        .where(evaluation.c.id.in_(select(picked.c.id)), is_ready)
        .values(
            state=State.RUNNING.value,
            attempt=evaluation.c.attempt + 1,
            launcher_id=launcher_id,
            claimed_at=now(connection),
            started_at=None,
        )
        .returning(*_CLAIMED, name.label("campaign"))
    )
    rows = sorted(connection.execute(statement), key=lambda row: (-row.priority, row.id))
    record(connection, [NewEvent(row.id, Move.CLAIM, row.attempt, launcher_id) for row in rows])
    return [_claim(row) for row in rows]


_CLAIMED = [
    evaluation.c[name]
    for name in [
        *("id", "campaign_id", "ordinal", "attempt", "configuration", "priority", "time_limit_seconds"),
        *("cores", "gpus", "memory_gib", "nodes", "ranks_per_node", "whole_node"),
    ]
]


def _fits(
    connection: Connection,
    room: Resources | None,
    time_left_seconds: float | None,
    campaign_ids: Sequence[int] | None,
) -> list[ColumnElement[bool]]:
    column = evaluation.c
    conditions: list[ColumnElement[bool]] = []
    if campaign_ids is not None:
        conditions.append(id_in(connection, column.campaign_id, campaign_ids))
    if time_left_seconds is not None:
        conditions.append(
            or_(column.time_limit_seconds.is_(None), column.time_limit_seconds <= time_left_seconds)
        )
    if room is not None:
        conditions += [column.cores <= room.cores, column.gpus <= room.gpus, column.nodes <= room.nodes]
        if room.memory_gib > 0:
            conditions.append(column.memory_gib <= room.memory_gib)
        if not room.whole_node:
            conditions.append(column.whole_node == false())
    return conditions


def _claim(row: DatabaseRow) -> Claim:
    return Claim(
        row.id,
        row.campaign_id,
        row.campaign,
        row.ordinal,
        row.attempt,
        row.configuration,
        resources_value(row),
        None if row.time_limit_seconds is None else float(row.time_limit_seconds),
    )


def _new_row(campaign_id: int, created_at: float, new: NewEvaluation) -> dict[str, Any]:
    proposal, resources = new.proposal, new.resources
    return {
        "campaign_id": campaign_id,
        "ordinal": new.ordinal,
        "configuration": json_value(proposal.configuration),
        "proposal_kind": proposal.kind,
        "proposal_mean": _finite(proposal.mean),
        "proposal_std": _finite(proposal.std),
        "proposal_acquisition": _finite(proposal.acquisition),
        "cores": resources.cores,
        "gpus": resources.gpus,
        "memory_gib": resources.memory_gib,
        "nodes": resources.nodes,
        "ranks_per_node": resources.ranks_per_node,
        "whole_node": resources.whole_node,
        "time_limit_seconds": new.time_limit_seconds,
        "priority": new.priority,
        "state": State.READY.value,
        "attempt": 0,
        "failures": 0,
        "interruptions": 0,
        "created_at": created_at,
        "error": "",
        "signature": "",
        "node": "",
    }


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
