"""Launchers are registered, send heartbeats, and end."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from ambs_hpc.errors import NotFound
from ambs_hpc.queue.schema.tables import evaluation, is_running, launcher
from ambs_hpc.queue.sql.clock import now
from ambs_hpc.records import LauncherStats, NewLauncher


def register_launcher(connection: Connection, new: NewLauncher) -> int:
    """Store a launcher; returns its id."""
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
    """Store that the launcher is alive; returns the (id, attempt) pairs that it still holds.

    An attempt that it runs and that is not in the answer was cancelled or given to another launcher: the
    launcher must end it.

    Args:
        stats: how busy it is; None leaves what is stored.

    Raises:
        NotFound: there is no such launcher.
    """
    statement = (
        update(launcher)
        .where(launcher.c.id == launcher_id)
        .values(heartbeat_at=now(connection), **_stats_values(stats))
    )
    if connection.execute(statement).rowcount != 1:
        raise NotFound(f"There is no launcher {launcher_id} in this database. Was another one given before?")
    held = select(evaluation.c.id, evaluation.c.attempt).where(
        is_running, evaluation.c.launcher_id == launcher_id
    )
    return {(row.id, row.attempt) for row in connection.execute(held)}


def end_launcher(connection: Connection, launcher_id: int, stats: LauncherStats | None = None) -> None:
    """Store that the launcher has ended in order; whatever it still holds may be swept at once.

    Args:
        stats: how busy it was until its end; None leaves what is stored.
    """
    present = now(connection)
    connection.execute(
        update(launcher)
        .where(launcher.c.id == launcher_id)
        .values(ended_at=present, heartbeat_at=present, **_stats_values(stats))
    )


def _stats_values(stats: LauncherStats | None) -> dict[str, object]:
    if stats is None:
        return {}
    slots = {} if stats.slots is None else {"slots": stats.slots}
    return {"busy_seconds": stats.busy_seconds, "idle": stats.idle, **slots}
