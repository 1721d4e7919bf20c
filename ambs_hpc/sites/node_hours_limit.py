"""The limit on node-hours of a campaign folder: a request that would pass it is not submitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ambs_hpc.errors import NodeHoursSpent
from ambs_hpc.queue import (
    OVER,
    AllocationTimes,
    allocation_times,
    first_launches,
    lock_allocations,
    prepare_allocation,
    read_now,
)
from ambs_hpc.sites.request import AllocationRequest

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class NodeHours:
    """What the allocations of a folder cost.

    Args:
        used: by those that are over: nodes times the time from start to end.
        promised: to those that are queued or running, at their full request.
        open: how many these are.
    """

    used: float
    promised: float
    open: int


def node_hours_of(
    rows: Sequence[AllocationTimes], launches: Mapping[int, float], folder: str, now: float
) -> NodeHours:
    """What the allocations that were submitted from a folder cost.

    Args:
        launches: first starts of launchers by allocation: whose start no scheduler told began by then.
        now: seconds since 1970 UTC, by the database's clock.
    """
    used, promised, open_ones = 0.0, 0.0, 0
    for one in rows:
        if str(one.request.get("folder")) != folder:
            continue
        nodes = float(str(one.request.get("nodes") or 1))
        asked = nodes * float(str(one.request.get("minutes") or 0)) / 60.0
        if one.state not in OVER:
            promised, open_ones = promised + asked, open_ones + 1
        elif (start := launches.get(one.id) if one.started_at is None else one.started_at) is not None:
            end = min(filter(None, (one.told_ended_at, one.ended_at, one.ends_at)), default=now)
            parts = [(part[0], end if part[1] is None else part[1], part[2]) for part in one.held or ()]
            for begin, stop, number in parts or [(start, end, nodes)]:
                used += number * max(0.0, stop - begin) / 3600.0
    return NodeHours(used, promised, open_ones)


def prepare_within_limit(
    connection: Connection, site: str, scheduler: str, asked: Mapping[str, object], request: AllocationRequest
) -> int:
    """As `prepare_allocation`, within the limit of the request's folder.

    Two requests at the same time are decided one after the other. A chain is one request: it is refused
    before its first allocation, not in the middle.

    Raises:
        NodeHoursSpent: the request, with what is queued and running, would pass the limit.
    """
    limit = request.max_node_hours
    if limit is not None:
        lock_allocations(connection)
        rows, launches = allocation_times(connection), first_launches(connection)
        cost = node_hours_of(rows, launches, str(request.folder), read_now(connection))
        wanted = request.chain * request.nodes * request.minutes / 60.0
        if cost.used + cost.promised + wanted > limit * (1.0 + 1e-9):
            raise NodeHoursSpent(limit, cost.used, cost.promised, cost.open, wanted)
    return prepare_allocation(connection, site, scheduler, asked)
