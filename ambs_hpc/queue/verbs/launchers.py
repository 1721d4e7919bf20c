"""Launchers: they introduce themselves, beat, and say good-bye."""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, select, update

from ambs_hpc.errors import NotFound
from ambs_hpc.queue.schema.tables import evaluation, is_running, launcher
from ambs_hpc.queue.sql.clock import now
from ambs_hpc.queue.sql.row_mapping import launcher_value
from ambs_hpc.records import Launcher, LauncherStats, NewLauncher


def register_launcher(connection: Connection, new: NewLauncher) -> int:
    """Store a launcher; its id."""
    statement = insert(launcher).values(
        host=new.host,
        pid=new.pid,
        process_started=new.process_started,
        slots=new.slots,
        allocation_id=new.allocation_id,
        survives_in=new.survives_in,
        started_at=now(connection),
        heartbeat_at=now(connection),
    )
    return int(connection.execute(statement.returning(launcher.c.id)).scalar_one())


def heartbeat(
    connection: Connection, launcher_id: int, stats: LauncherStats | None = None
) -> set[tuple[int, int]]:
    """Say that the launcher lives; the (id, attempt) that it still holds.

    What it runs and is not in the answer was cancelled, or given to another: it kills it.

    Args:
        stats: what has become of it; None leaves what it said before.

    Raises:
        NotFound: there is no such launcher.
    """
    said = _said(stats)
    beat = update(launcher).where(launcher.c.id == launcher_id).values(heartbeat_at=now(connection), **said)
    if connection.execute(beat).rowcount != 1:
        raise NotFound(f"There is no launcher {launcher_id} in this database. Was another one given before?")
    held = select(evaluation.c.id, evaluation.c.attempt).where(
        is_running, evaluation.c.launcher_id == launcher_id
    )
    return {(row.id, row.attempt) for row in connection.execute(held)}


def end_launcher(connection: Connection, launcher_id: int, stats: LauncherStats | None = None) -> None:
    """The launcher has ended in order; whatever it still holds may be swept at once.

    Args:
        stats: its last words; None leaves what it said before.
    """
    present = now(connection)
    connection.execute(
        update(launcher)
        .where(launcher.c.id == launcher_id)
        .values(ended_at=present, heartbeat_at=present, **_said(stats))
    )


def running_in(connection: Connection, launcher_id: int) -> int:
    """How many evaluations it holds."""
    statement = select(func.count()).where(is_running, evaluation.c.launcher_id == launcher_id)
    return int(connection.execute(statement).scalar_one())


def last_launcher(connection: Connection) -> Launcher | None:
    """The one that introduced itself last; None when there never was one."""
    age = (now(connection) - launcher.c.heartbeat_at).label("heartbeat_age")
    row = connection.execute(select(launcher, age).order_by(launcher.c.id.desc()).limit(1)).first()
    return None if row is None else launcher_value(row)


def live_launchers(connection: Connection, stale_after_seconds: float) -> list[Launcher]:
    """Launchers that have not ended and gave a sign within the last seconds, oldest first."""
    statement = (
        select(launcher, (now(connection) - launcher.c.heartbeat_at).label("heartbeat_age"))
        .where(
            launcher.c.ended_at.is_(None), launcher.c.heartbeat_at >= now(connection) - stale_after_seconds
        )
        .order_by(launcher.c.id)
    )
    return [launcher_value(row) for row in connection.execute(statement)]


def _said(stats: LauncherStats | None) -> dict[str, object]:
    if stats is None:
        return {}
    slots = {} if stats.slots is None else {"slots": stats.slots}
    return {"busy_seconds": stats.busy_seconds, "idle": stats.idle, **slots}
