"""The contents of the leaves of all trees: counts and exact sums, updated in place as points come and go."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.search.constraints import Floats

Places: TypeAlias = NDArray[np.intp]

VALUE_STEPS, SQUARE_STEPS = (
    2.0**20,
    2.0**30,
)  # per unit: sums of 10^6 values of unit size are exact in 53 bits
FAILURE_PRIOR = 0.5  # observations' worth of the overall failure rate in every leaf


class LeafTables:
    """Flat tables of all trees; a place is `tree * room + node`.

    Values are rounded to multiples of a power of two, so that their sums do not depend on the order in
    which points come and go.
    """

    def __init__(self, trees: int) -> None:
        self._trees, self.room = trees, 0
        self._tables = np.zeros((5, 0))  # count, sum, sum of squares, failures, ended
        self._means = self._seconds = np.zeros(0)

    def reserve(self, nodes: int) -> bool:
        """Make room for `nodes` per tree; True when places changed and all trees must be filled again."""
        if nodes <= self.room:
            return False
        self.room = 2 * nodes
        self._tables = np.zeros((5, self._trees * self.room))
        self._means, self._seconds = np.zeros((2, self._trees * self.room))
        return True

    def clear(self, tree: int) -> None:
        """Remove all points from the tree."""
        self._tables[:, tree * self.room : (tree + 1) * self.room] = 0.0

    def fill(self, tree: int, nodes: Places, values: Floats, failed: Floats) -> None:
        """Add all observations to a tree that is clear; each (n,)."""
        values, squares = _rounded(values)
        part = slice(tree * self.room, (tree + 1) * self.room)
        for table, weights in enumerate((None, values, squares, failed, None)):
            self._tables[table, part] += np.bincount(nodes, weights, self.room)
        self._summarise(np.flatnonzero(self._tables[0, part]) + tree * self.room)

    def observe(self, places: Places, values: Floats, failed: Floats) -> None:
        """Add observations; each (n,), a place may repeat."""
        self._add(places, values, 1.0)
        np.add.at(self._tables[3], places, failed)
        np.add.at(self._tables[4], places, 1.0)
        self._summarise(places)

    def lie(self, places: Places, values: Floats, sign: float) -> None:
        """Add lies (sign 1) or remove them (sign -1); each (n,), a place may repeat."""
        self._add(places, values, sign)
        self._summarise(places)

    def predict(self, places: Places) -> tuple[Floats, Floats]:
        """Mean and standard deviation, each (n,), of places (t, n), by the law of total variance."""
        mean = self._means.take(places).mean(axis=0)
        variance = self._seconds.take(places).mean(axis=0) - mean * mean
        return mean, np.sqrt(np.maximum(variance, 0.0))

    def failure_rate(self, places: Places, overall: float) -> Floats:
        """(n,) share of failures in places (t, n), shrunk towards `overall` where few evaluations ended."""
        failed, ended = self._tables[3].take(places), self._tables[4].take(places)
        rates: Floats = ((failed + FAILURE_PRIOR * overall) / (ended + FAILURE_PRIOR)).mean(axis=0)
        return rates

    def _add(self, places: Places, values: Floats, sign: float) -> None:
        values, squares = _rounded(values)
        np.add.at(self._tables[0], places, sign)
        np.add.at(self._tables[1], places, sign * values)
        np.add.at(self._tables[2], places, sign * squares)

    def _summarise(self, places: Places) -> None:
        count = np.maximum(self._tables[0, places], 1.0)  # an emptied leaf stays finite
        self._means[places] = self._tables[1, places] / count
        self._seconds[places] = self._tables[2, places] / count


def _rounded(values: Floats) -> tuple[Floats, Floats]:
    values = np.rint(values * VALUE_STEPS) / VALUE_STEPS
    return values, np.rint(values * values * SQUARE_STEPS) / SQUARE_STEPS
