"""Batch allocations as the database remembers them, with what is held in each."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, case, func, select

from ambs_hpc.errors import NotFound
from ambs_hpc.queue.schema.tables import allocation, evaluation, is_ready, is_running, launcher
from ambs_hpc.queue.sql.bulk import id_in
from ambs_hpc.queue.sql.row_mapping import DatabaseRow
from ambs_hpc.queue.sql.stored_values import request_in
from ambs_hpc.records import Allocation

# States that are stored beside those of `schedulers.AllocationState`.
PREPARED = "PREPARED"  # the script is written; whether it reached the scheduler is not known yet
REFUSED = "REFUSED"  # the scheduler rejected the request
UNSENT = "UNSENT"  # the scheduler could not be asked, so nothing was submitted
VANISHED = "VANISHED"  # the scheduler does not know it, or no longer
OVER = (REFUSED, UNSENT, VANISHED, "ENDED")


def is_scheduler_id_taken(connection: Connection, scheduler: str, scheduler_id: str) -> bool:
    """Whether an allocation with this id of this scheduler is stored."""
    statement = select(allocation.c.id).where(
        allocation.c.scheduler == scheduler, allocation.c.scheduler_id == scheduler_id
    )
    return connection.execute(statement.limit(1)).first() is not None


def list_allocations(
    connection: Connection, *, over: bool = True, ids: Sequence[int] | None = None, limit: int | None = None
) -> list[Allocation]:
    """Allocations, newest first, with the number of evaluations that launchers in each hold.

    Args:
        over: include those that have ended, were refused or have vanished.
        ids: only these; None for all.
        limit: at most this many; None for all.
    """
    held = (
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
            func.coalesce(held.c.number, 0).label("evaluations"),
            func.coalesce(launchers.c.number, 0).label("launchers"),
            launchers.c.utilisation,
        )
        .outerjoin(held, held.c.allocation_id == allocation.c.id)
        .outerjoin(launchers, launchers.c.allocation_id == allocation.c.id)
        .order_by(allocation.c.id.desc())
        .limit(limit)
    )
    if not over:
        statement = statement.where(allocation.c.state.not_in(OVER))
    if ids is not None:
        statement = statement.where(id_in(connection, allocation.c.id, ids))
    return [_value(row) for row in connection.execute(statement)]


def fruitless_allocations(
    connection: Connection, campaign_ids: Sequence[int] | None, idle_share: float
) -> frozenset[int]:
    """Those that are over and in which launchers ended nothing, though evaluations waited that still wait.

    Args:
        campaign_ids: whose evaluations count; None for all.
        idle_share: of whose slot-time launchers used as much has been at work, though it may have ended none.
    """
    waits = (
        is_ready
        if campaign_ids is None
        else is_ready & id_in(connection, evaluation.c.campaign_id, campaign_ids)
    )
    since = connection.execute(select(func.min(evaluation.c.created_at)).where(waits)).scalar()
    if since is None:
        return frozenset()
    ended = select(evaluation.c.launcher_id).where(evaluation.c.launcher_id.is_not(None))
    slot_seconds = func.sum(launcher.c.slots * (launcher.c.heartbeat_at - launcher.c.started_at))
    statement = (
        select(launcher.c.allocation_id)
        .join(allocation, allocation.c.id == launcher.c.allocation_id)
        .where(allocation.c.state.in_(OVER), allocation.c.started_at > since)
        .group_by(launcher.c.allocation_id)
        .having(func.sum(launcher.c.busy_seconds) <= idle_share * slot_seconds)
        .having(func.max(case((launcher.c.id.in_(ended), 1), else_=0)) == 0)
    )
    return frozenset(connection.execute(statement).scalars())


def get_allocation(connection: Connection, allocation_id: int) -> Allocation:
    """The allocation of that id.

    Raises:
        NotFound: there is none.
    """
    found = list_allocations(connection, ids=[allocation_id])
    if not found:
        raise NotFound(f"There is no allocation {allocation_id}. `ambs allocations` lists them.")
    return found[0]


def _value(row: DatabaseRow) -> Allocation:
    return Allocation(
        id=row.id,
        site=row.site,
        scheduler=row.scheduler,
        scheduler_id=row.scheduler_id,
        request=request_in(row.request, row.id),
        state=row.state,
        detail=row.detail,
        created_at=row.created_at,
        started_at=row.started_at,
        ends_at=row.ends_at,
        ended_at=row.ended_at,
        evaluations=row.evaluations,
        launchers=row.launchers,
        utilisation=row.utilisation,
    )
