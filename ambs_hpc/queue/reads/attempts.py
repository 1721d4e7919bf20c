"""When and where every attempt ran, and the launchers around them."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, func, literal, select

from ambs_hpc.queue.schema.tables import allocation, evaluation, evaluation_event, is_running, launcher


class AttemptSpan(NamedTuple):
    """One attempt as it lay in time; times are seconds since 1970 UTC.

    `finished_at` is None while it runs; `started_at` is then that of its claim. `move` is the value of the
    `states.Move` that ended it, "" while it runs.
    """

    evaluation_id: int
    attempt: int
    launcher_id: int
    node: str
    started_at: float
    finished_at: float | None
    move: str


class LauncherSpan(NamedTuple):
    """A launcher as it lay in time; times are seconds since 1970 UTC.

    `heartbeat_at` is the last time that it was known to live. `allocation` is the scheduler's id of the
    allocation around it, None when it was started by hand. `busy_seconds` are those of all slots together.
    """

    id: int
    host: str
    slots: int
    started_at: float
    heartbeat_at: float
    ended_at: float | None
    busy_seconds: float
    allocation: str | None


def attempts_of(connection: Connection, campaign_id: int) -> list[AttemptSpan]:
    """All attempts of a campaign that started, in order of their start."""
    event, column = evaluation_event.c, evaluation.c
    ended = (
        select(
            event.evaluation_id,
            event.attempt,
            event.launcher_id,
            func.coalesce(event.node, ""),
            event.started_at,
            event.finished_at,
            event.move,
        )
        .join(evaluation, column.id == event.evaluation_id)
        .where(
            column.campaign_id == campaign_id,
            event.started_at.is_not(None),
            event.finished_at.is_not(None),
            event.launcher_id.is_not(None),
        )
    )
    running = select(
        column.id,
        column.attempt,
        column.launcher_id,
        func.coalesce(column.node, ""),
        column.claimed_at,
        literal(None),
        literal(""),
    ).where(is_running, column.campaign_id == campaign_id)
    spans = [AttemptSpan(*row) for statement in (ended, running) for row in connection.execute(statement)]
    return sorted(spans, key=lambda one: (one.started_at, one.evaluation_id))


def launchers_of(connection: Connection, campaign_id: int) -> list[LauncherSpan]:
    """The launchers that held evaluations of a campaign, in order of their start."""
    event, column = evaluation_event.c, evaluation.c
    holders = (
        select(event.launcher_id)
        .join(evaluation, column.id == event.evaluation_id)
        .where(column.campaign_id == campaign_id)
        .distinct()
    )
    statement = (
        select(
            launcher.c.id,
            launcher.c.host,
            launcher.c.slots,
            launcher.c.started_at,
            launcher.c.heartbeat_at,
            launcher.c.ended_at,
            launcher.c.busy_seconds,
            allocation.c.scheduler_id,
        )
        .outerjoin(allocation, allocation.c.id == launcher.c.allocation_id)
        .where(launcher.c.id.in_(holders))
        .order_by(launcher.c.started_at, launcher.c.id)
    )
    return [LauncherSpan(*row) for row in connection.execute(statement)]
