"""Batch allocations as the database remembers them: what was asked, what the scheduler last said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from ambs_hpc.errors import NotFound
from ambs_hpc.queue.schema.tables import allocation, evaluation, is_running, launcher
from ambs_hpc.queue.sql.clock import now
from ambs_hpc.queue.sql.row_mapping import json_value, text_value
from ambs_hpc.records import Allocation

# Beside the states of `schedulers.AllocationState`:
PREPARED = "PREPARED"  # the script is written; whether it reached the scheduler is not known
REFUSED = "REFUSED"  # the scheduler said no
UNSENT = "UNSENT"  # the scheduler could not be asked, so nothing was submitted
VANISHED = "VANISHED"  # the scheduler does not know it (any more)
OVER = (REFUSED, UNSENT, VANISHED, "ENDED")


def prepare_allocation(
    connection: Connection, site: str, scheduler: str, request: Mapping[str, object]
) -> int:
    """Remember an allocation before it is submitted, so that it is never submitted twice; its id."""
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
    """The scheduler took it under this id."""
    values = {"scheduler_id": scheduler_id, "state": "QUEUED", "submitted_at": now(connection)}
    _update(connection, allocation_id, values)


def note_refused(connection: Connection, allocation_id: int, words: str, state: str = REFUSED) -> None:
    """The scheduler refused it, in these words, or was not heard (UNSENT)."""
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
    """What the scheduler says now.

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


def list_allocations(
    connection: Connection, *, over: bool = True, ids: Sequence[int] | None = None, limit: int | None = None
) -> list[Allocation]:
    """Allocations, newest first, with the evaluations that run in each.

    Args:
        over: also those that have ended, were refused or have vanished.
    """
    running = (
        select(launcher.c.allocation_id, func.count().label("number"))
        .select_from(evaluation)
        .join(launcher, launcher.c.id == evaluation.c.launcher_id)
        .where(is_running)
        .group_by(launcher.c.allocation_id)
        .subquery()
    )
    slot_seconds = func.sum(launcher.c.slots * (launcher.c.heartbeat_at - launcher.c.started_at))
    used = func.sum(launcher.c.busy_seconds) / func.nullif(slot_seconds, 0.0)
    launchers = (
        select(launcher.c.allocation_id, func.count().label("number"), used.label("utilisation"))
        .group_by(launcher.c.allocation_id)
        .subquery()
    )
    statement = (
        select(
            allocation,
            func.coalesce(running.c.number, 0).label("running"),
            func.coalesce(launchers.c.number, 0).label("launchers"),
            launchers.c.utilisation,
        )
        .outerjoin(running, running.c.allocation_id == allocation.c.id)
        .outerjoin(launchers, launchers.c.allocation_id == allocation.c.id)
        .order_by(allocation.c.id.desc())
        .limit(limit)
    )
    if not over:
        statement = statement.where(allocation.c.state.not_in(OVER))
    if ids is not None:
        statement = statement.where(allocation.c.id.in_(ids))
    return [_value(row) for row in connection.execute(statement)]


def get_allocation(connection: Connection, allocation_id: int) -> Allocation:
    """
    Raises:
        NotFound: there is none of that id.
    """
    found = list_allocations(connection, ids=[allocation_id])
    if not found:
        raise NotFound(f"There is no allocation {allocation_id}. `ambs allocations` lists them.")
    return found[0]


def _update(connection: Connection, allocation_id: int, values: Mapping[str, Any]) -> None:
    statement = update(allocation).where(allocation.c.id == allocation_id).values(**values)
    if connection.execute(statement).rowcount != 1:
        raise NotFound(f"There is no allocation {allocation_id}. `ambs allocations` lists them.")


def _value(row: Any) -> Allocation:
    return Allocation(
        id=row.id,
        site=row.site,
        scheduler=row.scheduler,
        scheduler_id=row.scheduler_id,
        request=row.request,
        state=row.state,
        detail=row.detail,
        created_at=row.created_at,
        started_at=row.started_at,
        ends_at=row.ends_at,
        ended_at=row.ended_at,
        running=row.running,
        launchers=row.launchers,
        utilisation=row.utilisation,
    )
