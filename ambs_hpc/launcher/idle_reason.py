"""Why slots of a launcher are idle, in words for people who pay for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ambs_hpc.launcher.campaigns import Campaigns
from ambs_hpc.launcher.runtime_estimate import RunTimeBounds
from ambs_hpc.queue import has_ready

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


def why_idle(connection: Connection, campaigns: Campaigns, moment: Moment) -> str:
    """Why slots are idle; empty when no slot is idle or lost and no campaign is refused."""
    words = [f"refuses {name}: {why.splitlines()[0]}" for name, why in list(campaigns.refused.items())]
    words += moment.troubles
    if moment.has_room:
        words.append(_free_because(connection, campaigns, moment))
    return "; ".join(words)


def _free_because(connection: Connection, campaigns: Campaigns, moment: Moment) -> str:
    if moment.is_draining:
        return "draining"
    if moment.next_id is not None:
        return f"room is kept for evaluation {moment.next_id}"
    if not has_ready(connection, campaign_ids=campaigns.served(connection)):
        return "no evaluation is ready"
    if moment.seconds_left == float("inf"):
        return "what waits does not fit beside what runs"
    too_long = campaigns.too_long(moment.seconds_left, moment.bounds)
    served = campaigns.served(connection, too_long)
    if has_ready(connection, time_left_seconds=moment.seconds_left, campaign_ids=served):
        return "what waits does not fit beside what runs"
    return "too little time left for what waits"
