"""Regression trees as boxes: each leaf is a box of the space and a value; they come from scikit-learn.

The search's own forest is grown anew for a campaign's best region and holds lies; this one is grown for the
whole space, from truths alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.search.constraints import Floats

SHARE_OF_FEATURES = 5 / 6  # that a split chooses from: without this what acts by interactions only is missed


@dataclass(frozen=True, slots=True)
class LeafBoxes:
    """The leaves of one tree: those points belong to a leaf that have `lower < x <= upper` in all features.

    Args:
        values: (l,) prediction in each leaf.
        lower, upper: (l, f) bounds, infinite where a feature was not asked for.
    """

    values: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True, slots=True)
class GrownBoxes:
    """A forest.

    Args:
        explained: share of the variance of y that trees predict of rows that they have not seen, at most 1
            (R squared, out of bag); NaN where y does not vary.
    """

    trees: list[LeafBoxes]
    explained: float


def grow_boxes(X: NDArray[np.float32], y: Floats, *, trees: int, min_leaf: int, seed: int) -> GrownBoxes:
    """Grow regression trees, each on a bootstrap sample.

    Args:
        X: (n, f) features.
        y: (n,) finite values.
        min_leaf: rows in a leaf, >= 1. A limit on the number of leaves would end what shows no gain at first,
            as interactions do.

    Source: Breiman (2001), "Random forests".
    """
    from sklearn.tree import DecisionTreeRegressor

    rng = np.random.default_rng(seed)
    features = ceil(X.shape[1] * SHARE_OF_FEATURES)
    grown, totals, votes = [], np.zeros(len(y)), np.zeros(len(y))
    for _ in range(trees):
        weights = np.bincount(rng.integers(len(y), size=len(y)), minlength=len(y)).astype(float)
        tree = DecisionTreeRegressor(
            min_samples_leaf=min_leaf, max_features=features, random_state=int(rng.integers(2**31))
        )
        drawn = weights > 0
        tree.fit(X[drawn], y[drawn], sample_weight=weights[drawn], check_input=False)
        grown.append(_boxes(tree.tree_))
        totals[~drawn] += tree.predict(X[~drawn], check_input=False) if not drawn.all() else 0.0
        votes[~drawn] += 1
    return GrownBoxes(grown, _explained(y, totals, votes))


def _explained(y: Floats, totals: Floats, votes: Floats) -> float:
    seen = votes > 0
    spread = float(np.var(y[seen])) if seen.any() else 0.0
    if spread <= 0.0:
        return float("nan")
    return 1.0 - float(np.mean((totals[seen] / votes[seen] - y[seen]) ** 2)) / spread


def _boxes(nodes: Any) -> LeafBoxes:
    left, right = nodes.children_left, nodes.children_right
    lower = np.full((nodes.node_count, nodes.n_features), -np.inf)
    upper = np.full((nodes.node_count, nodes.n_features), np.inf)
    for node in range(nodes.node_count):  # parents come before their children
        if left[node] < 0:
            continue
        feature, threshold = nodes.feature[node], nodes.threshold[node]
        for child in (left[node], right[node]):
            lower[child], upper[child] = lower[node], upper[node]
        upper[left[node], feature] = threshold
        lower[right[node], feature] = threshold
    is_leaf = left < 0
    return LeafBoxes(nodes.value[is_leaf, 0, 0], lower[is_leaf], upper[is_leaf])
