"""What is known of nodes: what happened there, and which are left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, case, func, select

from ambs_hpc.queue.schema.tables import allocation, launcher, node_event
from ambs_hpc.queue.sql.clock import now
from ambs_hpc.queue.sql.row_mapping import DatabaseRow
from ambs_hpc.queue.sql.stored_values import object_in, usable, word_in
from ambs_hpc.states import NodeEventKind

MOST_FAILURES = 3  # of a node within
MEMORY_SECONDS = 86400.0
# Kinds of events that tell only that a node is well, and how long they are kept at least: as long as people
# are shown what happened unless they ask for more.
WELL = (NodeEventKind.PROBED.value, NodeEventKind.IMPORTED.value)
WELL_SECONDS = 7 * 86400.0


@dataclass(frozen=True, slots=True)
class NodeVerdict:
    """A node of which something was heard within MEMORY_SECONDS.

    Args:
        failures: of the infrastructure, since it was last forgiven.
        is_left_out: launchers start nothing there, and requests avoid it where their scheduler can.
        last_at: of its last event, seconds since 1970 UTC.
    """

    site: str
    node: str
    failures: int
    is_left_out: bool
    last_at: float


@dataclass(frozen=True, slots=True)
class StoredNodeEvent:
    """An event of a node with the time and the allocation in which it happened."""

    id: int
    at: float
    site: str
    node: str
    kind: NodeEventKind
    is_failure: bool
    detail: str
    facts: dict[str, Any]
    launcher_id: int | None
    host: str | None
    scheduler: str | None
    allocation: str | None  # the scheduler's id


def is_left_out(failures: int, failing: int, seen: int) -> bool:
    """Whether a node with so many failures is left out.

    Where most nodes fail, the cause is not in them: a full file system that they share, a wrong site file.

    Args:
        failing: nodes of its site with any failure, itself included.
        seen: nodes of its site of which anything was heard.
    """
    return failures >= MOST_FAILURES and 2 * failing <= seen


def node_verdicts(connection: Connection, site: str | None = None) -> list[NodeVerdict]:
    """All nodes of which something was heard within MEMORY_SECONDS, in one question.

    Args:
        site: only its nodes; None for all sites.
    """
    rows = connection.execute(_counting(connection, site)).all()
    verdicts = []
    for row in rows:
        beside = [other.failures for other in rows if other.site == row.site] if row.failures else []
        out = is_left_out(row.failures, sum(map(bool, beside)), len(beside))
        verdicts.append(NodeVerdict(row.site, row.node, row.failures, out, row.last_at))
    return verdicts


def site_of_allocation(connection: Connection, allocation_id: int) -> str:
    """The site whose nodes an allocation has; "" where the database does not know it."""
    found = select(allocation.c.site).where(allocation.c.id == allocation_id)
    return connection.execute(found).scalar_one_or_none() or ""


def node_events(
    connection: Connection,
    since_seconds: float | None = None,
    nodes: Sequence[str] = (),
    *,
    failures_only: bool = False,
) -> list[StoredNodeEvent]:
    """Events, oldest first.

    Args:
        since_seconds: those of the last so many seconds; None for all that are kept.
        nodes: only of these; empty for all.
        failures_only: leave out what tells only that a node is well.
    """
    statement = (
        select(node_event, launcher.c.host, allocation.c.scheduler, allocation.c.scheduler_id)
        .outerjoin(launcher, launcher.c.id == node_event.c.launcher_id)
        .outerjoin(allocation, allocation.c.id == launcher.c.allocation_id)
        .order_by(node_event.c.id)
    )
    if since_seconds is not None:
        statement = statement.where(node_event.c.at > now(connection) - since_seconds)
    if nodes:
        statement = statement.where(node_event.c.node.in_(nodes))
    if failures_only:
        statement = statement.where(node_event.c.kind.not_in(WELL))
    by_uid = {row.uid: row for row in connection.execute(statement)}
    return usable(by_uid.values(), _value)


def _counting(connection: Connection, site: str | None) -> Select[Any]:
    event = node_event.c
    recent = event.at > now(connection) - MEMORY_SECONDS
    forgiven = (
        select(event.site, event.node, func.max(event.id).label("last"))
        .where(event.kind == NodeEventKind.FORGIVEN.value, recent)
        .group_by(event.site, event.node)
        .subquery()
    )
    counts = and_(event.is_failure, event.id > func.coalesce(forgiven.c.last, 0))
    # An event may be stored twice: each counts by its uid.
    failures = func.count(func.distinct(case((counts, event.uid)))).label("failures")
    statement = (
        select(event.site, event.node, failures, func.max(event.at).label("last_at"))
        .outerjoin(forgiven, and_(forgiven.c.site == event.site, forgiven.c.node == event.node))
        .where(recent)
        .group_by(event.site, event.node)
        .order_by(event.site, event.node)
    )
    return statement if site is None else statement.where(event.site == site)


def _value(row: DatabaseRow) -> StoredNodeEvent:
    return StoredNodeEvent(
        id=row.id,
        at=row.at,
        site=row.site,
        node=row.node,
        kind=word_in(NodeEventKind, row.kind, "node_event", row.id, "kind"),
        is_failure=row.is_failure,
        detail=row.detail,
        facts=dict(object_in(row.facts, "node_event", row.id, "facts")),
        launcher_id=row.launcher_id,
        host=row.host,
        scheduler=row.scheduler,
        allocation=row.scheduler_id,
    )
