"""Where a result stands to the front of its campaign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ambs_hpc.queue import goals_of_stored, ids_of_front, judged_results

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ambs_hpc.records import Campaign


@dataclass(frozen=True, slots=True)
class FrontStanding:
    """A feasible result of a campaign with several objectives.

    Args:
        size: results on the front.
        dominating_id: of a result on the front that is as good in all objectives and better in one; None
            where the result itself is on the front.
        values: the objectives of that one.
    """

    size: int
    dominating_id: int | None = None
    values: Mapping[str, float] | None = None


def front_standing(connection: Connection, campaign: Campaign, evaluation_id: int) -> FrontStanding | None:
    """How it stands; None where it is not feasible, or the campaign has one objective."""
    goals = goals_of_stored(campaign)
    if not goals.has_several:
        return None
    judged = {one.id: one for one in judged_results(connection, campaign.id)}
    own = judged.get(evaluation_id)
    if own is None or own.costs is None or own.verdict != "yes":
        return None
    front = ids_of_front(list(judged.values()))
    if evaluation_id in front:
        return FrontStanding(len(front))
    for one in front:
        costs = judged[one].costs or ()
        if all(there <= here for there, here in zip(costs, own.costs, strict=True)):
            signs = [-1.0 if way == "maximize" else 1.0 for way in goals.directions.values()]
            values = {name: sign * cost for name, sign, cost in zip(goals.names, signs, costs, strict=True)}
            return FrontStanding(len(front), one, values)
    return None
