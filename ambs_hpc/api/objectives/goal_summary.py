"""How a campaign stands to its objectives and constraints: the front, what is feasible, the best of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ambs_hpc.queue import goals_of_stored, ids_of_best, ids_of_front, judged_results

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ambs_hpc.problem.goals import Goals
    from ambs_hpc.queue import EvaluationRow, JudgedResult
    from ambs_hpc.records import Campaign


@dataclass(frozen=True, slots=True)
class BestOfObjective:
    """The feasible result that is best by one objective; None of them where nothing is feasible yet."""

    name: str
    direction: str
    id: int | None
    value: float | None


@dataclass(frozen=True, slots=True)
class GoalStanding:
    """How a campaign stands to its goals.

    Args:
        front: feasible results that no other dominates; of one objective those that are best.
        verdicts: results by "yes", "no", "unknown": whether they keep the constraints.
        best: for each objective.
        nearest_id: of the result that is nearest to keeping the constraints, where none does.
    """

    goals: Goals
    front: int
    verdicts: dict[str, int]
    best: tuple[BestOfObjective, ...]
    nearest_id: int | None

    def json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "objectives": dict(self.goals.directions),
            "constraints": [one.words for one in self.goals.constraints],
            "front": self.front,
            "feasible": self.verdicts,
            "best_of_each": [{"objective": one.name, "id": one.id, "value": one.value} for one in self.best],
            "nearest_id": self.nearest_id,
        }

    def lines(self) -> Iterator[str]:
        """For a person, a line each."""
        found = [one for one in self.best if one.value is not None]
        if self.goals.has_several and found:
            told = ", ".join(f"{one.name} {one.value:.6g} (evaluation {one.id})" for one in found)
            yield f"best {told}; {self.front} on the front: ambs best"
        if self.goals.constraints:
            yield from self._of_constraints()

    def _of_constraints(self) -> Iterator[str]:
        total = sum(self.verdicts.values())
        if not total:
            return
        words = " and ".join(one.words for one in self.goals.constraints)
        unknown = self.verdicts.get("unknown", 0)
        told = f"; of {unknown} it is unknown: a metric is missing" if unknown else ""
        yield f"{self.verdicts.get('yes', 0)} of {total} results are feasible ({words}){told}"
        if not self.verdicts.get("yes") and self.nearest_id is not None:
            yield f"nothing feasible yet; evaluation {self.nearest_id} is nearest to it"


def standing_of(connection: Connection, campaign: Campaign) -> GoalStanding | None:
    """How a campaign stands; None where it has one objective and no constraint."""
    goals = goals_of_stored(campaign)
    if goals.is_plain:
        return None
    judged = judged_results(connection, campaign.id)
    feasible = [one for one in judged if one.verdict == "yes"]
    verdicts = Counter(one.verdict for one in judged)
    return GoalStanding(
        goals,
        len(ids_of_front(judged)),
        {name: verdicts[name] for name in ("yes", "no", "unknown")},
        tuple(_best_of(goals, feasible, place) for place in range(len(goals.names))),
        None if feasible else next(iter(ids_of_best(judged, 1)), None),
    )


def why_infeasible(goals: Goals, row: EvaluationRow) -> str:
    """Why a result is not known to keep the constraints; "" where it is."""
    return goals.feasibility(row.objective, row.metrics).words


def _best_of(goals: Goals, feasible: Sequence[JudgedResult], place: int) -> BestOfObjective:
    name = goals.names[place]
    direction = goals.directions[name]
    first = next(iter(ids_of_best(feasible, 1, place)), None)
    value = next((one.costs[place] for one in feasible if one.id == first and one.costs), None)
    if value is not None and direction == "maximize":
        value = -value
    return BestOfObjective(name, direction, first, value)
