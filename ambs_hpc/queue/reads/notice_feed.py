"""What notices are made of, read in a few cheap queries, and what was told already."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from ambs_hpc.queue.reads.allocations import OVER
from ambs_hpc.queue.schema.tables import (
    allocation,
    campaign_progress,
    evaluation,
    is_ready,
    launcher,
    unindexed,
)
from ambs_hpc.queue.schema.watch_tables import notice
from ambs_hpc.queue.sql.clock import now


@dataclass(frozen=True, slots=True)
class StoredNotice:
    """A notice that was claimed; `sent_at` is None while it is being sent, or where it could not be.

    Times are seconds since 1970 UTC.
    """

    id: int
    audience: str
    key: str
    kind: str
    text: str
    at: float
    sent_at: float | None
    error: str


@dataclass(frozen=True, slots=True)
class NoticeCounts:
    """Numbers of evaluations.

    Args:
        ended: in a final state.
        added: of all, those that people gave.
        endings: that there ever were, also of evaluations that ended again.
    """

    ended: int
    paused: int
    enqueued: int
    added: int
    endings: int


@dataclass(frozen=True, slots=True)
class WaitingWork:
    """What waits, and who might run it.

    Args:
        ready: evaluations of the campaign that wait.
        seconds: for which all of that has been so: the newest of them waits, and every launcher is silent.
        last_launcher_id: 0 when there never was one.
        allocations: that the scheduler has not ended yet, as far as the database knows.
    """

    ready: int
    seconds: float
    last_launcher_id: int
    live_launchers: int
    allocations: int


def notices_of(connection: Connection, campaign_id: int, audience: str | None = None) -> list[StoredNotice]:
    """What was told of a campaign, to one user or to all, oldest first."""
    column = notice.c
    names = ("id", "audience", "key", "kind", "text", "at", "sent_at", "error")
    statement = select(*(column[name] for name in names)).where(column.campaign_id == campaign_id)
    if audience is not None:
        statement = statement.where(column.audience == audience)
    return [StoredNotice(*row) for row in connection.execute(statement.order_by(column.id))]


def notice_counts(connection: Connection, campaign_id: int) -> NoticeCounts | None:
    """How far a campaign is; None when there is no such campaign."""
    column = campaign_progress.c
    row = connection.execute(
        select(
            column.done + column.failed + column.cancelled,
            column.paused,
            column.enqueued,
            column.added,
            column.finish_sequence,
        ).where(column.campaign_id == campaign_id)
    ).one_or_none()
    return None if row is None else NoticeCounts(*map(int, row))


def waiting_work(connection: Connection, campaign_id: int, stale_after_seconds: float) -> WaitingWork:
    """What of a campaign waits, and whether anybody lives who might run it."""
    present = now(connection)
    ready = is_ready & (unindexed(evaluation.c.campaign_id) == campaign_id)
    waiting = connection.execute(
        select(func.count(), present - func.max(evaluation.c.created_at)).where(ready)
    ).one()
    fresh = launcher.c.ended_at.is_(None) & (launcher.c.heartbeat_at >= present - stale_after_seconds)
    live = connection.execute(select(func.count()).select_from(launcher).where(fresh)).scalar_one()
    last = connection.execute(
        select(func.max(launcher.c.id), present - func.max(launcher.c.heartbeat_at))
    ).one()
    in_queue = select(func.count()).select_from(allocation).where(allocation.c.state.not_in(OVER))
    silences = [float(waiting[1] or 0.0)] + ([] if last[1] is None else [float(last[1])])
    return WaitingWork(
        ready=int(waiting[0]),
        seconds=min(silences),
        last_launcher_id=int(last[0] or 0),
        live_launchers=int(live),
        allocations=int(connection.execute(in_queue).scalar_one()),
    )
