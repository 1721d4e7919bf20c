"""The results of several objectives as points: who is on the front, who breaks a constraint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ambs_hpc.queue import EvaluationRow, JudgedResult, ids_of_front

if TYPE_CHECKING:
    from ambs_hpc.problem.goals import Goals


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """A result among others.

    Args:
        values: its objectives, as the user states them.
        verdict: whether it keeps the constraints: "yes", "no", "unknown".
    """

    id: int
    values: tuple[float, ...]
    verdict: str
    is_on_front: bool


def front_points(goals: Goals, rows: Sequence[EvaluationRow]) -> list[FrontPoint]:
    """The results that have all objectives, in the order of the rows."""
    signs = [-1.0 if one == "maximize" else 1.0 for one in goals.directions.values()]
    found: list[tuple[int, tuple[float, ...], str]] = []
    judged = []
    for row in rows:
        values = tuple(v for v in goals.values(row.objective, row.metrics).values() if v is not None)
        if len(values) < len(signs):
            continue
        feasibility = goals.feasibility(row.objective, row.metrics)
        costs = tuple(sign * value for sign, value in zip(signs, values, strict=True))
        judged.append(JudgedResult(row.id, costs, feasibility.verdict, feasibility.excess))
        found.append((row.id, values, feasibility.verdict))
    front = set(ids_of_front(judged))
    return [FrontPoint(one, values, verdict, one in front) for one, values, verdict in found]
