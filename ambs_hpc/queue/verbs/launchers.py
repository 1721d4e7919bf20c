"""Launchers are registered, send heartbeats, and end."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, insert, select, update

from ambs_hpc.errors import LauncherForgotten
from ambs_hpc.queue.schema.tables import allocation, evaluation, is_running, launcher
from ambs_hpc.queue.sql.clock import now
from ambs_hpc.records import LauncherStats, NewLauncher


def register_launcher(connection: Connection, new: NewLauncher) -> int:
    """Store a launcher; returns its id.

    Its allocation is left out where this database does not know it, as after going back to an older copy.
    """
    known_allocation = select(allocation.c.id).where(allocation.c.id == new.allocation_id).scalar_subquery()
    statement = insert(launcher).values(
        host=new.host,
        pid=new.pid,
        process_started=new.process_started,
        slots=new.slots,
        allocation_id=known_allocation,
        survives_in=new.survives_in,
        namespace=new.namespace,
        serves=None if new.serves is None else list(new.serves),
        started_at=now(connection),
        heartbeat_at=now(connection),
    )
    return int(connection.execute(statement.returning(launcher.c.id)).scalar_one())


def heartbeat(
    connection: Connection,
    launcher_id: int,
    stats: LauncherStats | None = None,
    who: NewLauncher | None = None,
) -> set[tuple[int, int]]:
    """Store that the launcher is alive; returns the (id, attempt) pairs that it still holds.

    An attempt that it runs and that is not in the answer was cancelled or given to another launcher: the
    launcher must end it.

    Args:
        stats: how busy it is; None leaves what is stored.
        who: as it was registered. A database that went back to an older copy may have given its id again.

    Raises:
        LauncherForgotten: there is no such launcher in this database.
    """
    statement = (
        update(launcher)
        .where(launcher.c.id == launcher_id, *_is_process(who))
        .values(heartbeat_at=now(connection), **_stats_values(stats))
    )
    if connection.execute(statement).rowcount != 1:
        raise LauncherForgotten(f"There is no launcher {launcher_id} of this process in this database.")
    held = select(evaluation.c.id, evaluation.c.attempt).where(
        is_running, evaluation.c.launcher_id == launcher_id
    )
    return {(row.id, row.attempt) for row in connection.execute(held)}


def _is_process(who: NewLauncher | None) -> list[ColumnElement[bool]]:
    if who is None:
        return []
    column = launcher.c
    return [column.host == who.host, column.pid == who.pid, column.process_started == who.process_started]


def end_future_heartbeats(connection: Connection, tolerance_seconds: float) -> None:
    """Take heartbeats that lie in the future for present ones: the database's clock was set back.

    The silence of a dead launcher is counted from now on then, not from when the clock has caught up.

    Args:
        tolerance_seconds: how far in the future a heartbeat may lie.
    """
    connection.execute(
        update(launcher)
        .where(launcher.c.ended_at.is_(None), launcher.c.heartbeat_at > now(connection) + tolerance_seconds)
        .values(heartbeat_at=now(connection))
    )


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
