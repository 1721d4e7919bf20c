"""All that is stored of how nodes were used: allocations, launchers, their nodes, attempts, idleness."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, literal, select

from ambs_hpc.queue.schema.account_tables import launcher_idleness, launcher_node
from ambs_hpc.queue.schema.tables import (
    allocation,
    campaign,
    evaluation,
    evaluation_event,
    is_running,
    launcher,
    node_event,
)
from ambs_hpc.queue.sql.clock import read_now


class AllocationTimes(NamedTuple):
    """An allocation as it lay in time; times are seconds since 1970 UTC.

    `ended_at` may be when somebody looked, `told_ended_at` is the scheduler's word. `ends_at` is the end of
    its walltime. `held` are rows of `held_parts.HeldPart`; None where the scheduler told of no
    other than one.
    """

    id: int
    site: str
    scheduler: str
    scheduler_id: str | None
    request: Mapping[str, Any]
    state: str
    started_at: float | None
    ends_at: float | None
    ended_at: float | None
    told_ended_at: float | None
    expected_start_at: float | None
    held: Sequence[Sequence[Any]] | None = None


class LauncherLife(NamedTuple):
    """A launcher as it lay in time. `idle` are its last words; `survives_in` names a Balsam site."""

    id: int
    host: str
    allocation_id: int | None
    slots: int
    started_at: float
    heartbeat_at: float
    ended_at: float | None
    idle: str
    survives_in: str


class LauncherNode(NamedTuple):
    """What a node of a launcher has to give; as `NodeCapacity`."""

    launcher_id: int
    node: str
    cores: int
    gpus: int
    memory_gib: float | None
    most: float | None


class IdleSince(NamedTuple):
    """From when on slots of a launcher are idle for a reason, a value of `states.IdleReason`."""

    launcher_id: int
    at: float
    reason: str


class NodeFailure(NamedTuple):
    """When a launcher saw a failure of one of its nodes."""

    launcher_id: int
    node: str
    at: float


class AttemptUse(NamedTuple):
    """An attempt and what it occupied; `finished_at` is None and `move` "" while it runs.

    `move` is the value of the `states.Move` that ended it, `detail` its words.
    """

    evaluation_id: int
    attempt: int
    campaign: str
    launcher_id: int
    node: str
    move: str
    detail: str
    started_at: float
    finished_at: float | None
    cores: int
    gpus: int
    memory_gib: float
    nodes: int
    whole_node: bool


@dataclass(frozen=True, slots=True)
class SlotAccount:
    """All rows of the account, read at the same moment, `now` by the database's clock."""

    now: float
    allocations: list[AllocationTimes]
    launchers: list[LauncherLife]
    nodes: list[LauncherNode]
    idleness: list[IdleSince]
    failures: list[NodeFailure]
    attempts: list[AttemptUse]


def slot_account(connection: Connection) -> SlotAccount:
    """The account of the whole database: launchers and allocations serve any campaign."""
    return SlotAccount(
        read_now(connection),
        allocation_times(connection),
        _launchers(connection),
        launcher_nodes(connection),
        _idleness(connection),
        _failures(connection),
        [*_ended(connection), *_running(connection)],
    )


def allocation_times(connection: Connection) -> list[AllocationTimes]:
    """All allocations, oldest first."""
    columns = [allocation.c[name] for name in AllocationTimes._fields]
    rows = connection.execute(select(*columns).order_by(allocation.c.id))
    return [AllocationTimes(*row) for row in rows]


def first_launches(connection: Connection) -> dict[int, float]:
    """When the first launcher of each allocation began, by the allocation's id."""
    column = launcher.c
    statement = (
        select(column.allocation_id, func.min(column.started_at))
        .where(column.allocation_id.is_not(None))
        .group_by(column.allocation_id)
    )
    return {row[0]: row[1] for row in connection.execute(statement)}


def launcher_nodes(connection: Connection, ids: Collection[int] | None = None) -> list[LauncherNode]:
    """The nodes of these launchers, of all when None, as far as they have told them."""
    columns = [launcher_node.c[name] for name in LauncherNode._fields]
    statement = select(*columns).order_by(launcher_node.c.launcher_id, launcher_node.c.node)
    if ids is not None:
        statement = statement.where(launcher_node.c.launcher_id.in_(ids))
    return [LauncherNode(*row) for row in connection.execute(statement)]


def _launchers(connection: Connection) -> list[LauncherLife]:
    columns = [launcher.c[name] for name in LauncherLife._fields]
    rows = connection.execute(select(*columns).order_by(launcher.c.started_at, launcher.c.id))
    return [LauncherLife(*row) for row in rows]


def _idleness(connection: Connection) -> list[IdleSince]:
    columns = [launcher_idleness.c[name] for name in IdleSince._fields]
    return [IdleSince(*row) for row in connection.execute(select(*columns).order_by(launcher_idleness.c.id))]


def _failures(connection: Connection) -> list[NodeFailure]:
    column = node_event.c
    statement = (
        select(column.launcher_id, column.node, column.at)
        .where(column.is_failure, column.launcher_id.is_not(None))
        .order_by(column.id)
    )
    return [NodeFailure(*row) for row in connection.execute(statement)]


_SHAPE = ("cores", "gpus", "memory_gib", "nodes", "whole_node")


def _ended(connection: Connection) -> list[AttemptUse]:
    event, column = evaluation_event.c, evaluation.c
    statement = (
        select(
            event.evaluation_id,
            event.attempt,
            campaign.c.name,
            event.launcher_id,
            event.node,
            event.move,
            event.detail,
            event.started_at,
            event.finished_at,
            *(column[name] for name in _SHAPE),
        )
        .join(evaluation, column.id == event.evaluation_id)
        .join(campaign, campaign.c.id == column.campaign_id)
        .where(
            event.started_at.is_not(None),
            event.finished_at.is_not(None),
            event.launcher_id.is_not(None),
        )
        .order_by(event.id)
    )
    found: dict[tuple[int, int], AttemptUse] = {}
    for row in connection.execute(statement):
        use = AttemptUse(*row)._replace(node=row.node or "", detail=(row.detail or "")[:200])
        before = found.get((use.evaluation_id, use.attempt))
        if before is not None:  # a result that came late: another launcher may have brought it
            use = use._replace(launcher_id=before.launcher_id)
        found[use.evaluation_id, use.attempt] = use
    return list(found.values())


def _running(connection: Connection) -> list[AttemptUse]:
    column = evaluation.c
    statement = (
        select(
            column.id,
            column.attempt,
            campaign.c.name,
            column.launcher_id,
            column.node,
            literal(""),
            literal(""),
            column.claimed_at,
            literal(None),
            *(column[name] for name in _SHAPE),
        )
        .join(campaign, campaign.c.id == column.campaign_id)
        .where(is_running)
    )
    return [AttemptUse(*row)._replace(node=row.node or "") for row in connection.execute(statement)]
