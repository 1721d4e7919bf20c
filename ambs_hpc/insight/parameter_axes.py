"""The legal values of each parameter as a measure: how heavy a leaf is, and what two have in common."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.insight.leaf_boxes import LeafBoxes
from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.encoding import Encoding

GRID = 4096  # points of a parameter's range, and samples for how often it is active


@dataclass(frozen=True, slots=True)
class ParameterAxis:
    """One parameter with weight 1 in all.

    Args:
        features: (m,) columns of X that stand for it.
        cells: (c, m) features of its values, rising where there is one feature.
        shares: (c,) weight of each cell; the first one is that of being inactive.
        inactive: weight of being inactive.
    """

    features: NDArray[np.intp]
    cells: Floats
    shares: Floats
    inactive: float

    def weights(self, boxes: LeafBoxes) -> Floats:
        """(l,) how much of the parameter's values lies in each leaf."""
        if len(self.features) == 1:
            low, high = self._ends(boxes)
            return np.asarray(high - low)
        return np.asarray(self._inside(boxes) @ self.shares)

    def overlaps(self, boxes: LeafBoxes) -> Floats:
        """(l, l) how much of the parameter's values lies in both of two leaves."""
        if len(self.features) == 1:
            low, high = self._ends(boxes)
            both = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
            return np.asarray(np.maximum(both, 0.0))
        inside = self._inside(boxes)
        return np.asarray((inside * self.shares) @ inside.T)

    def holds_inactive(self, boxes: LeafBoxes) -> Floats:
        """(l,) 1 where an inactive value belongs to the leaf, else 0."""
        first = LeafBoxes(boxes.values, boxes.lower[:, self.features], boxes.upper[:, self.features])
        return np.asarray(
            np.all((first.lower < self.cells[0]) & (self.cells[0] <= first.upper), axis=1) * 1.0
        )

    def _ends(self, boxes: LeafBoxes) -> tuple[Floats, Floats]:
        """The ends of each leaf in shares of the values, 0 to 1."""
        below = np.concatenate([[0.0], np.cumsum(self.shares)])
        feature = self.features[0]
        low = below[np.searchsorted(self.cells[:, 0], boxes.lower[:, feature], side="right")]
        high = below[np.searchsorted(self.cells[:, 0], boxes.upper[:, feature], side="right")]
        return low, high

    def _inside(self, boxes: LeafBoxes) -> Floats:
        lower, upper = boxes.lower[:, None, self.features], boxes.upper[:, None, self.features]
        return np.asarray(np.all((lower < self.cells) & (self.cells <= upper), axis=2) * 1.0)  # (l, c)


def axes_of(encoding: Encoding) -> list[ParameterAxis]:
    """The axes of all parameters, in the space's order; priors count for nothing."""
    middles = (np.arange(GRID) + 0.5) / GRID
    grid = encoding.from_uniform(
        np.repeat(middles[:, None], encoding.dimensions, axis=1), without_priors=True, keep_inactive=True
    )
    samples = np.random.default_rng(0).random((GRID, encoding.dimensions))
    inactive = np.isnan(encoding.from_uniform(samples, without_priors=True)).mean(axis=0)
    nothing = encoding.features(np.full((1, encoding.dimensions), np.nan)).astype(float)
    X = encoding.features(grid).astype(float)
    owners = encoding.feature_owners
    axes = []
    for j, share in enumerate(inactive):
        features = np.flatnonzero(owners == j)
        cells, counts = np.unique(X[:, features], axis=0, return_counts=True)
        shares = (1.0 - share) * counts / GRID
        axes.append(
            ParameterAxis(
                features,
                np.vstack([nothing[:, features], cells]),
                np.concatenate([[share], shares]),
                float(share),
            )
        )
    return axes
