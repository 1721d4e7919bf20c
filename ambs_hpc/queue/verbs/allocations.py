"""Batch allocations: each request is stored before it is submitted, and then what the scheduler says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, insert, update

from ambs_hpc.errors import NotFound
from ambs_hpc.queue.reads.allocations import OVER, PREPARED, REFUSED
from ambs_hpc.queue.schema.tables import allocation
from ambs_hpc.queue.sql.clock import now
from ambs_hpc.queue.sql.row_mapping import json_value, text_value


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
) -> None:
    """Store what the scheduler says now.

    Args:
        state: of `schedulers.AllocationState`, or VANISHED.
        started_at, ends_at: seconds since 1970 UTC; None leaves what is known.
    """
    values: dict[str, Any] = {"state": state, "detail": text_value(detail)}
    if started_at is not None:
        values["started_at"] = started_at
    if state in OVER:
        values["ended_at"] = func.coalesce(allocation.c.ended_at, now(connection))
    elif ends_at is not None:
        values["ends_at"] = ends_at
    _update(connection, allocation_id, values)


def _update(connection: Connection, allocation_id: int, values: Mapping[str, Any]) -> None:
    statement = update(allocation).where(allocation.c.id == allocation_id).values(**values)
    if connection.execute(statement).rowcount != 1:
        raise NotFound(f"There is no allocation {allocation_id}. `ambs allocations` lists them.")
