"""What each ended evaluation gave, and what it all cost, in the order in which they ended."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, func, select

from ambs_hpc.queue.schema.tables import allocation, evaluation, evaluation_event, is_from_here, launcher
from ambs_hpc.queue.sql.row_mapping import DatabaseRow
from ambs_hpc.queue.sql.stored_values import number_in_row, object_in, request_in, usable
from ambs_hpc.states import State

_ENDED = (State.DONE.value, State.FAILED.value)
_PLACES = (evaluation.c.nodes, evaluation.c.whole_node, evaluation_event.c.launcher_id)
_RAN = evaluation_event.c.finished_at - evaluation_event.c.started_at
_SECONDS = case((_RAN > 0, _RAN), else_=0.0)  # a clock may have been set back


@dataclass(frozen=True, slots=True)
class EndedRun:
    """An evaluation that ended here.

    Args:
        objective: None when it failed.
        node_seconds: of nodes that all its attempts had for themselves: run time by whole nodes, or by its
            share of its launcher's nodes, where every evaluation counts as one of the launcher's slots. And
            what others had in attempts that ended since the run before: what is paused, cut off or cancelled
            is paid for, too.
    """

    objective: float | None
    node_seconds: float
    metrics: Mapping[str, object] = field(default_factory=dict)


def ended_runs(connection: Connection, campaign_id: int, *, with_metrics: bool = False) -> list[EndedRun]:
    """The campaign's DONE and FAILED evaluations, oldest ending first; no imported and cancelled ones.

    Args:
        with_metrics: read their metrics, which may be long.
    """
    column = evaluation.c
    rows = connection.execute(
        select(column.id, column.objective, column.finished_at, *([column.metrics] if with_metrics else []))
        .where(is_from_here, column.campaign_id == campaign_id, column.state.in_(_ENDED))
        .order_by(column.finish_sequence)
    ).all()
    costs = _node_seconds(connection, campaign_id)
    others = deque(_attempts_of_others(connection, campaign_id))
    for row in rows:
        while others and others[0][0] <= row.finished_at:
            costs[row.id] += others.popleft()[1]
    return usable(rows, partial(_ended_run, costs))


def _ended_run(costs: Mapping[int, float], row: DatabaseRow) -> EndedRun:
    objective = number_in_row(row.objective, "evaluation", row.id, "objective")
    metrics = object_in(row[3], "evaluation", row.id, "metrics") if len(row) > 3 else {}
    return EndedRun(objective, costs.get(row.id, 0.0), metrics)


def attempted_node_seconds(connection: Connection, campaign_id: int) -> float:
    """The node-seconds of all `ended_runs` and of attempts since; the database adds them up."""
    statement = _attempts(campaign_id, func.sum(_SECONDS).label("seconds")).where(is_from_here)
    share = _shares(connection)
    rows = connection.execute(statement.group_by(*_PLACES))
    return math.fsum(row.seconds * _nodes(row, share) for row in rows)


def _node_seconds(connection: Connection, campaign_id: int) -> dict[int, float]:
    """Of each evaluation that has ended, over its attempts."""
    identity = evaluation.c.id
    statement = _attempts(campaign_id, identity, func.sum(_SECONDS).label("seconds"))
    rows = connection.execute(statement.where(evaluation.c.state.in_(_ENDED)).group_by(identity, *_PLACES))
    share = _shares(connection)
    found: dict[int, float] = defaultdict(float)
    for row in rows:
        found[row.id] += row.seconds * _nodes(row, share)
    return found


def _attempts_of_others(connection: Connection, campaign_id: int) -> list[tuple[float, float]]:
    """When attempts of what is not DONE or FAILED ended, and their node-seconds; oldest first."""
    finished = evaluation_event.c.finished_at
    statement = _attempts(campaign_id, finished, _SECONDS.label("seconds"))
    rows = connection.execute(statement.where(evaluation.c.state.not_in(_ENDED)).order_by(finished))
    share = _shares(connection)
    return [(row.finished_at, row.seconds * _nodes(row, share)) for row in rows]


def _attempts(campaign_id: int, *told: ColumnElement[Any]) -> Select[Any]:
    """What is told of the campaign's attempts that have run and ended, with where each ran."""
    event = evaluation_event.c
    return (
        select(*_PLACES, *told)
        .join(evaluation, evaluation.c.id == event.evaluation_id)
        .where(
            evaluation.c.campaign_id == campaign_id,
            event.started_at.is_not(None),
            event.finished_at.is_not(None),
        )
    )


def _nodes(row: DatabaseRow, share: Mapping[int, float]) -> float:
    """How many nodes an attempt had for itself."""
    return row.nodes if row.whole_node or row.nodes > 1 else share.get(row.launcher_id, 1.0)


def _shares(connection: Connection) -> dict[int, float]:
    """Nodes for each slot of a launcher; one that was started by hand has one node."""
    statement = select(
        launcher.c.id, launcher.c.allocation_id, launcher.c.slots, allocation.c.request
    ).outerjoin(allocation, allocation.c.id == launcher.c.allocation_id)
    return {
        row.id: request_in(row.request, row.allocation_id).get("nodes", 1) / max(row.slots, 1)
        for row in connection.execute(statement)
    }
