"""The volume that results dominate as they come, computed where it is asked for: each is computed anew."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.objectives.measures import hypervolume

CURVE_POINTS = 100


class GrowingVolume:
    """The volume that the first k of some results dominate.

    Args:
        Y: (n, m) costs in the order in which they came; a NaN stands for what does not count.
        reference: (m,) costs beyond which nothing counts.

    Attributes:
        places: places in `Y` at which the volume grows, a step each.
    """

    def __init__(self, Y: Floats, reference: Floats) -> None:
        self._Y, self._reference = Y, reference
        self.places = self._growing()
        self._known: dict[int, float] = {}

    @property
    def final(self) -> float:
        """Of all results."""
        return self.after(len(self.places) - 1)

    def after(self, step: int) -> float:
        """The volume after a step; 0 before the first, which is step 0."""
        if step < 0:
            return 0.0
        if step not in self._known:
            self._known[step] = hypervolume(self._Y[self.places[: step + 1]], self._reference)
        return self._known[step]

    def curve(self) -> list[tuple[int, float]]:
        """(place, volume) at the first step, at the last one, and evenly between them."""
        if not self.places:
            return []
        steps = np.unique(np.linspace(0, len(self.places) - 1, CURVE_POINTS).astype(int)).tolist()
        return [(self.places[step], self.after(step)) for step in steps]

    def first_reaching(self, volume: float) -> int | None:
        """The place of the result with which that volume was dominated; None where it never was."""
        if volume <= 0.0 or self.final < volume:
            return None
        low, high = 0, len(self.places) - 1
        while low < high:  # it never falls
            middle = (low + high) // 2
            low, high = (low, middle) if self.after(middle) >= volume else (middle + 1, high)
        return self.places[low]

    def so_far(self) -> NDArray[np.float64]:
        """(n,) what was dominated after each result, by the points of the curve."""
        found = np.zeros(len(self._Y))
        for place, volume in self.curve():
            found[place:] = volume
        return found

    def _growing(self) -> list[int]:
        """Places of results that no earlier one covers, within the reference."""
        front, found = np.zeros((0, len(self._reference))), []
        for place, y in enumerate(self._Y):
            if (y < self._reference).all() and not (front <= y).all(axis=1).any():
                front = np.concatenate([front[~(y <= front).all(axis=1)], y[None]])
                found.append(place)
        return found
