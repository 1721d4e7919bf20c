"""What a simulated campaign with several objectives, or within constraints, has found, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.problem.goals import Goals
from ambs_hpc.search.objectives.growing_volume import GrowingVolume
from ambs_hpc.search.objectives.measures import dominated
from ambs_hpc.simulate.goals.load_goals import LoadGoals

SHARES = (0.5, 0.9, 0.99)  # of the largest volume, of which it is said when they were reached


@dataclass(frozen=True, slots=True)
class Measured:
    """An evaluation that ended in time.

    Args:
        seconds: since the first start.
        node_hours: that the allocations had offered by then.
        values: all objectives, as the user states them.
        verdict: whether it keeps the constraints: "yes", "no", "unknown".
    """

    seconds: float
    node_hours: float
    values: tuple[float, ...]
    verdict: str


@dataclass(frozen=True, slots=True)
class GoalOutcome:
    """What was found.

    Args:
        directions: of the objectives by name.
        constraints: in words.
        feasible: share of the evaluations that keep all constraints; 0 without any.
        first_feasible_node_hours: after which the first one had ended; None without any.
        front: the objectives of the feasible results that no other one dominates, by the first objective.
        reference: beyond which nothing counts; empty with one objective, as all below.
        largest: the largest volume that there is; where that is not known, the largest that was found.
        is_largest_known: which of these.
        volume: that the front dominates; None with one objective.
        volume_so_far: (seconds since the first start, node-hours, volume).
        node_hours_to: (share of the largest volume, node-hours until it was dominated, or None).
    """

    directions: Mapping[str, str]
    constraints: tuple[str, ...]
    feasible: float
    first_feasible_node_hours: float | None
    front: list[tuple[float, ...]]
    reference: tuple[float, ...] = ()
    largest: float | None = None
    is_largest_known: bool = False
    volume: float | None = None
    volume_so_far: Sequence[tuple[float, float, float]] = ()
    node_hours_to: Sequence[tuple[float, float | None]] = ()


def outcomes(load: LoadGoals, campaigns: Sequence[Sequence[Measured]]) -> list[GoalOutcome]:
    """What each campaign found, all measured by the same reference and the same largest volume."""
    goals = load.goals
    feasible = [[one for one in runs if one.verdict == "yes"] for runs in campaigns]
    volumes = [_Volumes(load, runs) for runs in feasible] if goals.has_several else []
    largest = load.largest or max((one.final for one in volumes), default=0.0)
    found = []
    for place, (runs, good) in enumerate(zip(campaigns, feasible, strict=True)):
        plain = GoalOutcome(
            directions=dict(goals.directions),
            constraints=tuple(one.words for one in goals.constraints),
            feasible=len(good) / max(1, len(runs)),
            first_feasible_node_hours=good[0].node_hours if good else None,
            front=_front(goals, good),
        )
        found.append(volumes[place].told(plain, largest) if volumes else plain)
    return found


class _Volumes:
    """The volume of one campaign over time."""

    def __init__(self, load: LoadGoals, runs: Sequence[Measured]) -> None:
        signs = _signs(load.goals)
        self._load, self._runs = load, runs
        Y = signs * np.array([one.values for one in runs]).reshape(-1, len(signs))
        self._growing = GrowingVolume(Y, signs * np.array(load.reference))
        self.final = self._growing.final

    def told(self, plain: GoalOutcome, largest: float) -> GoalOutcome:
        curve = [
            (self._runs[place].seconds, self._runs[place].node_hours, volume)
            for place, volume in self._growing.curve()
        ]
        return replace(
            plain,
            reference=self._load.reference,
            largest=largest,
            is_largest_known=self._load.largest is not None,
            volume=self.final,
            volume_so_far=curve,
            node_hours_to=[(share, self._hours_to(share * largest)) for share in SHARES],
        )

    def _hours_to(self, volume: float) -> float | None:
        place = self._growing.first_reaching(volume)
        return None if place is None else self._runs[place].node_hours


def _signs(goals: Goals) -> NDArray[np.float64]:
    return np.array([-1.0 if one == "maximize" else 1.0 for one in goals.directions.values()])


def _front(goals: Goals, feasible: Sequence[Measured]) -> list[tuple[float, ...]]:
    if not feasible:
        return []
    values = np.unique(np.array([one.values for one in feasible]), axis=0)
    costs = _signs(goals) * values
    kept = values[~dominated(costs)]
    best_first = np.argsort(_signs(goals)[0] * kept[:, 0], kind="stable")
    return [tuple(row) for row in kept[best_first].tolist()]
