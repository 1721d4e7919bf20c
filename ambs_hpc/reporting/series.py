"""The curves of a campaign, computed from its evaluations; no database and no drawing here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EndedEvaluation:
    """An ended evaluation.

    Args:
        started_at, finished_at: seconds since 1970 UTC.
        objective: None when it failed.
        is_feasible: whether it breaks no constraint; one that does is not among the best.
    """

    started_at: float
    finished_at: float
    objective: float | None
    is_feasible: bool = True


@dataclass(frozen=True, slots=True)
class BestSoFar:
    """The best objective after each success.

    Args:
        elapsed_seconds: (n,) since the first start.
        objective: (n,) of each success, in order of ending.
        best: (n,) the best of those so far.
    """

    elapsed_seconds: Array
    objective: Array
    best: Array


def best_so_far(ended: Sequence[EndedEvaluation], direction: str) -> BestSoFar:
    """The running best over the successes that break no constraint.

    Args:
        ended: evaluations in any order.
        direction: "minimize" or "maximize".
    """
    usable = (one for one in ended if one.objective is not None and one.is_feasible)
    good = sorted(usable, key=lambda one: one.finished_at)
    first = min((one.started_at for one in ended), default=0.0)
    elapsed = np.array([one.finished_at - first for one in good], dtype=float)
    objective = np.array([one.objective for one in good], dtype=float)
    running = np.minimum.accumulate if direction == "minimize" else np.maximum.accumulate
    return BestSoFar(elapsed, objective, running(objective) if len(good) else objective)


def busy_slots(ended: Sequence[EndedEvaluation]) -> tuple[Array, Array]:
    """The number of evaluations that ran at once.

    Returns:
        (2n,) seconds since the first start, and (2n,) the number running from then on.
    """
    moments = [(one.started_at, 1) for one in ended] + [(one.finished_at, -1) for one in ended]
    moments.sort()
    first = moments[0][0] if moments else 0.0
    at = np.array([moment - first for moment, _ in moments], dtype=float)
    return at, np.cumsum([step for _, step in moments], dtype=float)
