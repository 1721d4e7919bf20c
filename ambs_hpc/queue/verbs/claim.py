"""Evaluations are enqueued by a search and claimed by launchers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    Double,
    Integer,
    Text,
    Update,
    bindparam,
    cast,
    false,
    func,
    or_,
    select,
    update,
)

from ambs_hpc.identity import new_uid
from ambs_hpc.queue.schema.tables import campaign, evaluation, is_ready, unindexed
from ambs_hpc.queue.sql.bulk import insert_rows, listed, listed_value, update_rows
from ambs_hpc.queue.sql.clock import clock_of, present
from ambs_hpc.queue.sql.notify import NotifyChannel, notify
from ambs_hpc.queue.sql.row_mapping import DatabaseRow, json_value, resources_value, text_value
from ambs_hpc.queue.sql.stored_values import configuration_or_none
from ambs_hpc.queue.verbs.counters import add_enqueued
from ambs_hpc.queue.verbs.event_log import NewEvent, record
from ambs_hpc.records import Claim, NewEvaluation, Resources
from ambs_hpc.states import Move, State


def enqueue(connection: Connection, campaign_id: int, new: Sequence[NewEvaluation]) -> list[int]:
    """Store evaluations as READY; returns their ids in the order given.

    Raises:
        sqlalchemy.exc.IntegrityError: an ordinal of this campaign is taken.
    """
    if not new:
        return []
    by_people = sum(one.ordinal < 0 for one in new)
    add_enqueued(connection, campaign_id, len(new), by_people)  # first: it locks what a revision locks
    revision = connection.execute(_REVISION, {"campaign": campaign_id}).scalar_one()
    rows = [_new_row(campaign_id, one, revision) for one in new]
    insert_rows(connection, evaluation, rows, stamp="created_at")
    by_ordinal = _ids_by_ordinal(connection, campaign_id, [one.ordinal for one in new])
    ids = [by_ordinal[one.ordinal] for one in new]
    record(connection, [NewEvent(evaluation_id, Move.ENQUEUE, 0) for evaluation_id in ids])
    notify(connection, NotifyChannel.READY)
    return ids


_REVISION = select(campaign.c.revision).where(campaign.c.id == bindparam("campaign"))


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
        time_left_seconds: until the end of walltime; an evaluation with a longer time limit is left for
            another launcher. One without a limit is leased, and interrupted if need be.
        campaign_ids: only of these campaigns.
    """
    if limit <= 0:
        return []
    parameters = _parameters(connection, room, time_left_seconds, campaign_ids)
    statement = _claim_statement(connection.dialect.name, frozenset(parameters), room and room.whole_node)
    parameters |= {"max_rows": limit, "holder": launcher_id, "nonce": f"{new_uid()}."}
    rows = sorted(connection.execute(statement, parameters), key=lambda row: (-row.priority, row.id))
    record(connection, [_claimed(row, launcher_id) for row in rows])
    return [claim_value(row) for row in rows]


def note_nodes(connection: Connection, launcher_id: int, running: Sequence[tuple[int, int, str]]) -> None:
    """Store where attempts run that the launcher holds, by one statement for all of them.

    Args:
        running: (id, attempt, node); those that it lost in the meantime are not changed.
    """
    rows = [
        {
            "id": evaluation_id,
            "attempt": attempt,
            "before": State.RUNNING.value,
            "holder": launcher_id,
            "node": text_value(node),
        }
        for evaluation_id, attempt, node in running
    ]
    update_rows(connection, evaluation, _HELD, rows)


# The state is compared with the row's own value, as in `release.GUARDS`.
_HELD = (("id", "id"), ("attempt", "attempt"), ("state", "before"), ("launcher_id", "holder"))


def has_ready(
    connection: Connection,
    *,
    time_left_seconds: float | None = None,
    campaign_ids: Sequence[int] | None = None,
) -> bool:
    """Whether any evaluation is READY; the arguments are those of `claim`."""
    parameters = _parameters(connection, None, time_left_seconds, campaign_ids)
    parameters.pop("present", None)
    limits = _limits(connection.dialect.name, frozenset(parameters), None)
    ordered = (evaluation.c.priority.desc(), evaluation.c.id)
    statement = select(evaluation.c.id).where(is_ready, *limits).order_by(*ordered).limit(1)
    return connection.execute(statement, parameters).first() is not None


@cache
def _claim_statement(dialect: str, given: frozenset[str], whole_node: bool | None) -> Update:
    """The statement that claims the first `max_rows` that fit; `given` names the limiting parameters."""
    # PostgreSQL may evaluate a subquery with LIMIT more than once, not a CTE that locks rows.
    picked = (
        select(evaluation.c.id)
        .where(is_ready, *_limits(dialect, given, whole_node))
        .order_by(evaluation.c.priority.desc(), evaluation.c.id)
        .limit(bindparam("max_rows", type_=Integer()))
        .with_for_update(skip_locked=True)
        .cte("picked")
    )
    return (
        update(evaluation)
        .where(evaluation.c.id.in_(select(picked.c.id)))  # READY: they were locked as such a moment ago
        .values(
            state=State.RUNNING.value,
            attempt=evaluation.c.attempt + 1,
            launcher_id=bindparam("holder"),
            claimed_at=present("present" in given),
            started_at=None,
            node="",  # where an earlier attempt ran
            claim_token=bindparam("nonce", type_=Text()) + cast(evaluation.c.id, Text()),
        )
        .returning(*LEASED)
    )


LEASED: list[ColumnElement[Any]] = [
    *(
        evaluation.c[name]
        for name in [
            *("id", "campaign_id", "ordinal", "attempt", "claim_token", "configuration"),
            *("priority", "time_limit_seconds", "revision"),
            *("cores", "gpus", "memory_gib", "nodes", "ranks_per_node", "whole_node"),
        ]
    ),
    select(campaign.c.name)
    .where(campaign.c.id == evaluation.c.campaign_id)
    .scalar_subquery()
    .label("campaign"),
]


def _claimed(row: DatabaseRow, launcher_id: int) -> NewEvent:
    revision = row.revision if row.revision > 1 else None
    return NewEvent(
        row.id, Move.CLAIM, row.attempt, launcher_id, claim_token=row.claim_token, revision=revision
    )


def _ids_by_ordinal(connection: Connection, campaign_id: int, ordinals: Sequence[int]) -> dict[int, int]:
    # By a range, because a list of a thousand ordinals would be compared with each row of the campaign.
    statement = select(evaluation.c.ordinal, evaluation.c.id).where(
        evaluation.c.campaign_id == campaign_id, evaluation.c.ordinal.between(min(ordinals), max(ordinals))
    )
    return {row.ordinal: row.id for row in connection.execute(statement)}


def _parameters(
    connection: Connection,
    room: Resources | None,
    time_left_seconds: float | None,
    campaign_ids: Sequence[int] | None,
) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    if campaign_ids is not None:
        parameters["campaigns"] = listed_value(connection.dialect.name, campaign_ids)
    if time_left_seconds is not None:
        parameters["time_left"] = time_left_seconds
    if room is not None:
        parameters |= {"max_cores": room.cores, "max_gpus": room.gpus, "max_nodes": room.nodes}
        if room.memory_gib > 0:
            parameters["max_memory_gib"] = room.memory_gib
    clock = clock_of(connection)
    return parameters | ({"present": clock.now()} if clock else {})


def _limits(dialect: str, given: frozenset[str], whole_node: bool | None) -> list[ColumnElement[bool]]:
    column = evaluation.c
    conditions: list[ColumnElement[bool]] = []
    if "campaigns" in given:
        conditions.append(_is_of_campaigns(dialect))
    if "time_left" in given:
        limit = column.time_limit_seconds
        conditions.append(or_(limit.is_(None), limit <= bindparam("time_left", type_=Double())))
    for name in ("cores", "gpus", "nodes", "memory_gib"):
        if f"max_{name}" in given:
            conditions.append(column[name] <= bindparam(f"max_{name}", type_=column[name].type))
    if whole_node is False:
        conditions.append(column.whole_node == false())
    return conditions


def _is_of_campaigns(dialect: str) -> ColumnElement[bool]:
    if dialect == "sqlite":
        return listed(dialect, unindexed(evaluation.c.campaign_id), "campaigns")
    # PostgreSQL takes `= ANY` of what it has no statistics for as rare, and would then rather collect and
    # sort the whole queue than go along the index in order; this form it takes as common.
    wanted = cast(bindparam("campaigns", type_=Text()), ARRAY(BigInteger))
    return func.array_position(wanted, evaluation.c.campaign_id).is_not(None)


def claim_value(row: DatabaseRow) -> Claim:
    """A row with the columns LEASED and its campaign's name as `campaign`.

    What has no configuration that could be run has UNUSABLE: whoever leased it is to end it as failed.
    """
    return Claim(
        row.id,
        row.campaign_id,
        row.campaign,
        row.ordinal,
        row.attempt,
        row.claim_token,
        configuration_or_none(row.configuration, row.id),
        resources_value(row),
        None if row.time_limit_seconds is None else float(row.time_limit_seconds),
    )


def _new_row(campaign_id: int, new: NewEvaluation, revision: int) -> dict[str, Any]:
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
        "revision": revision,
        "state": State.READY.value,
        "attempt": 0,
        "failures": 0,
        "interruptions": 0,
        "error": "",
        "signature": "",
        "node": "",
    }


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
