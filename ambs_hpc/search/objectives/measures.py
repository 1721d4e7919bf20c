"""What several objectives and constraints make of a history: costs, excesses, and who is on the front."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.problem.goals import Goals
from ambs_hpc.records import Observation
from ambs_hpc.search.constraints import Floats, Mask
from ambs_hpc.search.history import History

UNTOUCHED = 1e-9  # excess of what touches a bound that must not be touched
AT_ONCE = 64  # rows that are compared with all others in one step


class Measures:
    """The columns of `History.measures`: costs (objectives to be minimised), then metrics as they are."""

    def __init__(self, goals: Goals) -> None:
        self.goals = goals
        self.signs = np.array([-1.0 if one == "maximize" else 1.0 for one in goals.directions.values()])
        places = {name: place for place, name in enumerate(goals.metrics)}
        self._columns = [len(self.signs) + places[one.metric] for one in goals.constraints]
        self._sides = np.array([1.0 if one.comparison[0] == "<" else -1.0 for one in goals.constraints])
        self._bounds = np.array([one.bound for one in goals.constraints])
        self._is_strict = np.array(
            [not one.comparison.endswith("=") for one in goals.constraints], dtype=bool
        )

    @property
    def objectives(self) -> int:
        """The number of objectives, m."""
        return len(self.signs)

    @property
    def constraints(self) -> int:
        """The number of constraints, k."""
        return len(self._columns)

    @property
    def width(self) -> int:
        """The number of columns."""
        return self.objectives + len(self.goals.metrics)

    def of(self, observation: Observation) -> Floats:
        """(width,) the numbers of an observation, NaN where one is missing, all NaN where it failed.

        Raises:
            ValueError: it did not fail, and an objective is missing.
        """
        if observation.objective is None:
            return np.full(self.width, np.nan)
        values = self.goals.values(observation.objective, observation.metrics)
        missing = [name for name, value in values.items() if value is None]
        if missing:
            raise ValueError(
                f"{dict(observation.configuration)}: there is no number for {', '.join(missing)}. Tell "
                f"all objectives ({', '.join(values)}) in `metrics`, or None as the objective of what failed."
            )
        costs = self.signs * np.array([math.nan if one is None else one for one in values.values()])
        found = [
            self.goals.value(name, observation.objective, observation.metrics) for name in self.goals.metrics
        ]
        return np.concatenate([costs, [math.nan if one is None else one for one in found]])

    def metrics(self, row: Floats) -> dict[str, object]:
        """A row of measures as the user's metrics."""
        names = (*self.goals.names, *self.goals.metrics)
        values = np.concatenate([self.signs * row[: self.objectives], row[self.objectives :]])
        return {name: float(value) for name, value in zip(names, values, strict=True) if not np.isnan(value)}

    def excess(self, M: Floats) -> Floats:
        """(n, k) by how much rows of measures (n, width) are beyond the bounds, as shares of them.

        Negative or 0 where a bound is kept, NaN where its metric is missing.
        """
        if not self.constraints:
            return np.zeros((len(M), 0))
        beyond = self._sides * (M[:, self._columns] - self._bounds)
        G = beyond / np.where(self._bounds == 0.0, 1.0, np.abs(self._bounds))
        return np.where(self._is_strict & (G == 0.0), UNTOUCHED, G)

    def feasible(self, M: Floats) -> Mask:
        """(n,) whether all bounds are known to be kept."""
        return np.asarray((self.excess(M) <= 0.0).all(axis=1))


class Front:
    """The places of the feasible observations that no other one dominates, as observations come."""

    def __init__(self, measures: Measures) -> None:
        self._measures = measures
        self._generation, self._count = 0, 0
        self.places: NDArray[np.intp] = np.zeros(0, dtype=np.intp)

    def update(self, history: History) -> None:
        """The front is that of all observations of the history; the oldest among equals stands for them."""
        if history.generation != self._generation:
            self._generation, self._count = history.generation, 0
            self.places = np.zeros(0, dtype=np.intp)
        M = history.measures
        new = np.arange(self._count, history.count)
        self._count = history.count
        current = np.isfinite(history.current_objectives[new]) if len(new) else new.astype(bool)
        new = new[current]
        for place in new[self._measures.feasible(M[new])]:
            self._add(M[:, : self._measures.objectives], int(place))

    def _add(self, Y: Floats, place: int) -> None:
        others = Y[self.places]
        if (others <= Y[place]).all(axis=1).any():
            return
        stays = ~(Y[place] <= others).all(axis=1)
        self.places = np.append(self.places[stays], place)


def dominated(Y: Floats) -> Mask:
    """(n,) whether another row of costs (n, m) is at least as good everywhere, and better somewhere."""
    left = np.lexsort(Y.T[::-1])  # what dominates a row comes before it
    if Y.shape[1] == 2:
        return _dominated_of_two(Y, left)
    found = np.ones(len(Y), dtype=bool)
    while len(left):
        first, rest = left[:AT_ONCE], left[AT_ONCE:]
        first = first[~_below(Y[first], Y[first])]
        found[first] = False
        left = rest[~_below(Y[first], Y[rest])]
    return found


def _below(A: Floats, B: Floats) -> Mask:
    """(n,) whether some row of A (k, m) dominates each row of B (n, m)."""
    is_low = np.ones((len(A), len(B)), dtype=bool)
    is_lower = np.zeros_like(is_low)
    for a, b in zip(A.T[:, :, None], B.T[:, None], strict=True):
        is_low &= a <= b
        is_lower |= a < b
    return np.asarray((is_low & is_lower).any(axis=0))


def _dominated_of_two(Y: Floats, order: NDArray[np.intp]) -> Mask:
    """(n,) of costs (n, 2): whether a row before it, in lexicographic order, is as low in the second one."""
    if not len(Y):
        return np.zeros(0, dtype=bool)
    ordered = Y[order]
    is_new = np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)])
    first_alike = np.maximum.accumulate(np.where(is_new, np.arange(len(Y)), 0))
    lowest_before = np.concatenate([[np.inf], np.minimum.accumulate(ordered[:-1, 1])])
    found = np.empty(len(Y), dtype=bool)
    found[order] = lowest_before[first_alike] <= ordered[:, 1]
    return found


def hypervolume(Y: Floats, reference: Floats) -> float:
    """The volume that costs (n, m) dominate below the reference (m,).

    Exact, by slices along the last objective; the time grows quickly with m.

    Source: Zitzler & Thiele (1998), "Multiobjective optimization using evolutionary algorithms".
    """
    Y = np.unique(Y[(reference > Y).all(axis=1)], axis=0)
    if not len(Y):
        return 0.0
    if Y.shape[1] == 1:
        return float(reference[0] - Y.min())
    Y = Y[~dominated(Y)]
    if Y.shape[1] == 2:  # rising in the first objective, falling in the second
        ends = np.append(Y[1:, 0], reference[0])
        return float(((ends - Y[:, 0]) * (reference[1] - Y[:, 1])).sum())
    Y = Y[np.argsort(Y[:, -1], kind="stable")]
    ends = np.append(Y[1:, -1], reference[-1])
    slices = [
        (end - Y[i, -1]) * hypervolume(Y[: i + 1, :-1], reference[:-1])
        for i, end in enumerate(ends)
        if end > Y[i, -1]
    ]
    return float(sum(slices))
