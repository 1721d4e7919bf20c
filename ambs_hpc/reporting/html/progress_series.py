"""What the chart of progress shows: points, the running best, and an axis that outliers do not flatten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.problem.goals import Goals
from ambs_hpc.queue import EvaluationRow
from ambs_hpc.records import IMPORTED
from ambs_hpc.states import State

MOST_POINTS = 8000  # of each kind, in the file
MOST_STEPS = 2000  # of the running best
# A linear axis shows the distance from the best to a quantile so many times; the larger of both.
SHOWN_SPANS = {0.5: 4.0, 0.75: 2.0}

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class EndedHere:
    """An evaluation that ended here, its place among the endings from 1, and None where it failed."""

    row: EvaluationRow
    number: int
    at: float
    objective: float | None


def endings_of(rows: Sequence[EvaluationRow]) -> list[EndedHere]:
    """The evaluations that ended here, DONE or FAILED, in the order of their ending."""
    ended = [
        row
        for row in rows
        if row.proposal_kind != IMPORTED
        and row.state in (State.DONE, State.FAILED)
        and row.finished_at is not None
    ]
    ended.sort(key=lambda row: (row.finished_at, row.id))
    return [
        EndedHere(row, number, row.finished_at or 0.0, row.objective)
        for number, row in enumerate(ended, start=1)
    ]


def progress_json(
    endings: Sequence[EndedHere], rows: Sequence[EvaluationRow], direction: str, goals: Goals
) -> Json:
    """The chart's data; at most `MOST_POINTS` points, evenly chosen, and every step of the running best.

    Args:
        rows: of the whole campaign, imported results included.
        direction: "minimize" or "maximize".
        goals: what is not known to keep their constraints is a point, and never the best.
    """
    good = [one for one in endings if one.objective is not None]
    bad = [one for one in endings if one.objective is None]
    values = np.array([one.objective for one in good], dtype=float)
    usable = [index for index, one in enumerate(good) if _is_feasible(goals, one.row)]
    imported = [
        row.objective
        for row in rows
        if row.proposal_kind == IMPORTED and row.objective is not None and _is_feasible(goals, row)
    ]
    first = min((one.row.started_at or one.at for one in endings), default=0.0)
    shown, failed = thinned(len(good), MOST_POINTS), thinned(len(bad), MOST_POINTS)
    steps = [usable[index] for index in _steps(values[usable], direction)]
    better = min if direction == "minimize" else max
    return {
        "direction": direction,
        "points": _columns([good[index] for index in shown], first),
        "failed": _columns([bad[index] for index in failed], first, with_values=False),
        "best": _columns([good[index] for index in steps], first),
        "last": {"number": len(endings), "at": _short(endings[-1].at - first if endings else 0.0)},
        "limits": shown_limits(values, direction),
        "beyond": beyond_limits(values, direction),
        "of": len(good),
        "imported": _short(better(imported)) if imported else None,
    }


def shown_limits(values: NDArray[np.float64], direction: str) -> list[float]:
    """The ends of a linear axis: all good values, and bad ones unless they would flatten the good ones.

    `SHOWN_SPANS` says which; [] without values.
    """
    if not len(values):
        return []
    sign = 1.0 if direction == "minimize" else -1.0
    costs = values * sign
    best, worst = float(costs.min()), float(costs.max())
    spans = [times * (float(np.quantile(costs, share)) - best) for share, times in SHOWN_SPANS.items()]
    end = min(worst, best + max(spans)) if max(spans) > 0 else worst
    return sorted((sign * best, sign * end))


def beyond_limits(values: NDArray[np.float64], direction: str) -> int:
    """How many values lie outside of the linear axis."""
    limits = shown_limits(values, direction)
    return int(((values < limits[0]) | (values > limits[1])).sum()) if limits else 0


def thinned(number: int, most: int) -> list[int]:
    """At most `most` of the indices 0..number-1, evenly chosen, the first and the last among them."""
    if number <= most:
        return list(range(number))
    return sorted({int(index) for index in np.linspace(0, number - 1, most).round()})


def _is_feasible(goals: Goals, row: EvaluationRow) -> bool:
    return not goals.constraints or goals.feasibility(row.objective, row.metrics).verdict == "yes"


def _steps(values: NDArray[np.float64], direction: str) -> list[int]:
    """Where the running best improves, and the end of the line."""
    if not len(values):
        return []
    costs = values if direction == "minimize" else -values
    running = np.minimum.accumulate(costs)
    found = [0, *(np.flatnonzero(np.diff(running)) + 1).tolist()]
    return [found[index] for index in thinned(len(found), MOST_STEPS)]


def _columns(endings: Sequence[EndedHere], first: float, *, with_values: bool = True) -> Json:
    columns: Json = {
        "id": [one.row.id for one in endings],
        "number": [one.number for one in endings],
        "at": [_short(one.at - first) for one in endings],
    }
    if with_values:
        columns["value"] = [_short(one.objective) for one in endings]
    return columns


def _short(value: float | None) -> float | None:
    """Seven digits: as many as a chart can show."""
    return None if value is None else float(f"{value:.7g}")
