"""Batch allocations: each request is stored before it is submitted, and then what the scheduler says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from ambs_hpc.errors import NotFound
from ambs_hpc.held_parts import HeldPart
from ambs_hpc.queue.reads.allocations import OVER, PREPARED, REFUSED
from ambs_hpc.queue.schema.tables import allocation
from ambs_hpc.queue.sql.clock import now, read_now
from ambs_hpc.queue.sql.row_mapping import json_value, text_value

ALLOCATIONS_LOCK = 0x616D6273  # "ambs"
CLOCKS_DIFFER_SECONDS = 60.0  # the scheduler's and the database's, at most


def prepare_allocation(
    connection: Connection, site: str, scheduler: str, request: Mapping[str, object]
) -> int:
    """Store an allocation before it is submitted, so that it is never submitted twice; returns its id."""
    statement = insert(allocation).values(
        site=site,
        scheduler=scheduler,
        request=json_value(request),
        state=PREPARED,
        created_at=now(connection),
        detail="",
    )
    return int(connection.execute(statement.returning(allocation.c.id)).scalar_one())


def lock_allocations(connection: Connection) -> None:
    """Let nobody else who asks so decide about allocations until the end of this transaction."""
    if connection.dialect.name == "postgresql":  # on SQLite it has the write lock already
        connection.execute(select(func.pg_advisory_xact_lock(ALLOCATIONS_LOCK)))


def note_submitted(connection: Connection, allocation_id: int, scheduler_id: str) -> None:
    """Store that the scheduler accepted the allocation, and under which id."""
    values = {"scheduler_id": scheduler_id, "state": "QUEUED", "submitted_at": now(connection)}
    _update(connection, allocation_id, values)


def note_refused(connection: Connection, allocation_id: int, words: str, state: str = REFUSED) -> None:
    """Store that the scheduler refused the allocation, and its message; UNSENT when it could not be asked."""
    values = {"state": state, "detail": text_value(words), "ended_at": now(connection)}
    _update(connection, allocation_id, values)


def note_allocation_state(
    connection: Connection,
    allocation_id: int,
    state: str,
    *,
    detail: str = "",
    started_at: float | None = None,
    ends_at: float | None = None,
    expected_start_at: float | None = None,
) -> None:
    """Store what the scheduler says now.

    Args:
        state: of `schedulers.AllocationState`, or VANISHED.
        started_at, ends_at, expected_start_at: seconds since 1970 UTC; None leaves what is known. `ends_at`
            of one that is over is when it has ended.
    """
    values: dict[str, Any] = {"state": state, "detail": text_value(detail)}
    if started_at is not None:
        values["started_at"] = started_at
    if expected_start_at is not None:
        values["expected_start_at"] = expected_start_at
    if state in OVER:
        # In the future lies the end of the walltime: it does not say when this one has ended.
        latest = read_now(connection) + CLOCKS_DIFFER_SECONDS
        told = None if ends_at is None or ends_at > latest else ends_at
        values["told_ended_at"] = func.coalesce(told, allocation.c.told_ended_at)
        values["ended_at"] = func.coalesce(told, allocation.c.ended_at, now(connection))
    elif ends_at is not None:
        values["ends_at"] = ends_at
    _update(connection, allocation_id, values)


def note_script_start(connection: Connection, allocation_id: int, started_at: float) -> None:
    """Store when its script began, seconds since 1970 UTC, unless the scheduler has told its start."""
    column = allocation.c
    statement = update(allocation).where(column.id == allocation_id, column.started_at.is_(None))
    connection.execute(statement.values(started_at=started_at))


def note_allocation_times(
    connection: Connection,
    allocation_id: int,
    started_at: float | None,
    ended_at: float | None,
    parts: Sequence[HeldPart] = (),
) -> None:
    """Store what the scheduler's accounting says of its start and its end; None leaves what is known.

    Args:
        parts: of its time, where it had other nodes in one than in another.
    """
    values: dict[str, Any] = {"started_at": started_at, "told_ended_at": ended_at, "ended_at": ended_at}
    told = {name: value for name, value in values.items() if value is not None}
    if len(parts) > 1:
        told["held"] = json_value([list(one) for one in parts])
    if told:
        _update(connection, allocation_id, told)


def _update(connection: Connection, allocation_id: int, values: Mapping[str, Any]) -> None:
    statement = update(allocation).where(allocation.c.id == allocation_id).values(**values)
    if connection.execute(statement).rowcount != 1:
        raise NotFound(f"There is no allocation {allocation_id}. `ambs allocations` lists them.")
