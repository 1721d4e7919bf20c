"""Why slots are idle, as rows tell: last words of launchers, silent ones, and what waits."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, func, or_, select

from ambs_hpc.queue.reads.allocations import OVER
from ambs_hpc.queue.schema.account_tables import launcher_idleness
from ambs_hpc.queue.schema.tables import allocation, campaign, evaluation, is_ready, launcher
from ambs_hpc.queue.sql.clock import now
from ambs_hpc.queue.sql.row_mapping import launcher_value, resources_value
from ambs_hpc.records import Launcher, Resources

# A launcher that nobody has heard of for so long, and that no allocation speaks for, is history.
FORGOTTEN_SECONDS = 86400.0


@dataclass(frozen=True, slots=True)
class WaitingShape:
    """Evaluations that wait and are alike: how many, and the first of them."""

    campaign: str
    resources: Resources
    time_limit_seconds: float | None
    number: int
    first_id: int


def waiting_shapes(connection: Connection) -> list[WaitingShape]:
    """What waits, most first."""
    column = evaluation.c
    shape = (
        campaign.c.name,
        column.cores,
        column.gpus,
        column.memory_gib,
        column.nodes,
        column.ranks_per_node,
        column.whole_node,
        column.time_limit_seconds,
    )
    statement = (
        select(*shape, func.count().label("number"), func.min(column.id).label("first_id"))
        .join(campaign, campaign.c.id == column.campaign_id)
        .where(is_ready)
        .group_by(*shape)
        .order_by(func.count().desc(), func.min(column.id))
    )
    return [
        WaitingShape(row.name, resources_value(row), row.time_limit_seconds, row.number, row.first_id)
        for row in connection.execute(statement)
    ]


def silent_launchers(connection: Connection, stale_after_seconds: float) -> list[Launcher]:
    """Launchers that have not ended and give no sign of life, unless their allocation is over."""
    age = now(connection) - launcher.c.heartbeat_at
    lives_on = or_(
        allocation.c.state.not_in(OVER),
        (launcher.c.allocation_id.is_(None)) & (age < FORGOTTEN_SECONDS),
    )
    statement = (
        select(launcher, age.label("heartbeat_age"))
        .outerjoin(allocation, allocation.c.id == launcher.c.allocation_id)
        .where(launcher.c.ended_at.is_(None), age > stale_after_seconds, lives_on)
        .order_by(launcher.c.id)
    )
    return [launcher_value(row) for row in connection.execute(statement)]


def last_idleness(connection: Connection, launcher_ids: Collection[int]) -> dict[int, str]:
    """The reason that each launcher stored last, a value of `states.IdleReason`."""
    column = launcher_idleness.c
    newest = (
        select(func.max(column.id)).where(column.launcher_id.in_(launcher_ids)).group_by(column.launcher_id)
    )
    statement = select(column.launcher_id, column.reason).where(column.id.in_(newest))
    return {row.launcher_id: row.reason for row in connection.execute(statement)}
