"""Why slots of a launcher are idle, in words for people who pay for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ambs_hpc.launcher.campaigns import Campaigns
from ambs_hpc.launcher.runtime_estimate import RunTimeBounds
from ambs_hpc.queue import has_ready, has_unproposed, is_search_alive
from ambs_hpc.states import IdleReason
from ambs_hpc.timing import STALE_AFTER_SECONDS

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Moment:
    """The state of a launcher's loop at one moment.

    Args:
        seconds_left: until nothing may run any more; infinity without a limit.
        bounds: of what evaluations are expected to take.
        is_draining: whether nothing is leased any more.
        next_id: the evaluation that room is kept for.
        has_room: whether slots are free.
        troubles: what keeps evaluations from starting.
    """

    seconds_left: float
    bounds: RunTimeBounds
    is_draining: bool
    next_id: int | None
    has_room: bool
    troubles: Sequence[str]


@dataclass(frozen=True, slots=True)
class Idle:
    """Why slots are idle: all of it in words, empty for none, and the one reason that idle time counts as."""

    words: str
    reason: IdleReason


def why_idle(connection: Connection, campaigns: Campaigns, moment: Moment) -> Idle:
    """Why slots are idle or lost, and which campaigns are refused."""
    refused = list(campaigns.refused.items())
    # Semicolons stand between reasons alone.
    words = [f"refuses {name}: {why.splitlines()[0].replace('; ', ', ')}" for name, why in refused]
    words += moment.troubles
    reason = IdleReason.NODE_TROUBLE if moment.troubles else IdleReason.BUSY
    # Nodes that are kept are not open to others, so that there is no room then either.
    if moment.has_room or moment.next_id is not None:
        free = _free_because(connection, campaigns, moment)
        words.append(free.words)
        reason = free.reason
    elif moment.is_draining:
        reason = IdleReason.DRAINING
    return Idle("; ".join(words), reason)


def _free_because(connection: Connection, campaigns: Campaigns, moment: Moment) -> Idle:
    if moment.is_draining:
        return Idle("draining", IdleReason.DRAINING)
    if moment.next_id is not None:
        return Idle(f"room is kept for evaluation {moment.next_id}", IdleReason.ROOM_KEPT)
    if not has_ready(connection, campaign_ids=campaigns.served(connection)):
        return Idle("no evaluation is ready", _none_ready_because(connection, campaigns))
    if moment.seconds_left == float("inf"):
        return Idle("what waits does not fit beside what runs", IdleReason.DOES_NOT_FIT)
    too_long = campaigns.too_long(moment.seconds_left, moment.bounds)
    served = campaigns.served(connection, too_long)
    if has_ready(connection, time_left_seconds=moment.seconds_left, campaign_ids=served):
        return Idle("what waits does not fit beside what runs", IdleReason.DOES_NOT_FIT)
    return Idle("too little time left for what waits", IdleReason.TOO_LITTLE_TIME)


def _none_ready_because(connection: Connection, campaigns: Campaigns) -> IdleReason:
    served = campaigns.served(connection)
    if campaigns.refused and has_ready(connection):
        return IdleReason.REFUSED
    if not has_unproposed(connection, served):
        return IdleReason.ALL_PROPOSED
    ids: Sequence[int | None] = [None] if served is None else served
    if any(is_search_alive(connection, one, STALE_AFTER_SECONDS) for one in ids):
        return IdleReason.SEARCH_THINKS
    return IdleReason.NO_SEARCH
