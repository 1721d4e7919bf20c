"""How much of an objective's variance over the space each parameter explains: functional ANOVA of a forest.

The space is weighed as a product: each parameter has its legal values in equal shares on its own scale, and,
if it is conditional, one cell more for being inactive, as heavy as that is frequent. Whether a parameter is
active says nothing of its value, but of those that it depends on: what that explains is counted as theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ambs_hpc.errors import UsageError
from ambs_hpc.insight.leaf_boxes import LeafBoxes, grow_boxes
from ambs_hpc.insight.parameter_axes import ParameterAxis, axes_of
from ambs_hpc.problem.space import space_from_json
from ambs_hpc.records import Configuration
from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.encoding import Encoding

MOST_ROWS = 2000  # that trees are grown on; more change shares less than another seed does
LEAST_ROWS = 10
TREES, LEAVES = 32, 200  # of a tree about so many, or one a row where there are fewer rows


@dataclass(frozen=True, slots=True)
class VarianceShare:
    """What parameters explain together beyond what each of them explains alone.

    Args:
        names: one parameter, or the two of an interaction.
        share: of the objective's variance over the space, 0 to 1.
        std: of the share between trees.
    """

    names: tuple[str, ...]
    share: float
    std: float


@dataclass(frozen=True, slots=True)
class Importance:
    """Shares of an objective's variance, the largest first; what is left are further interactions.

    Args:
        parameters: of every parameter alone.
        pairs: of the interactions of the most important ones.
        rows: results that the forest was grown on.
        explained: R squared of the forest on results that it has not seen; the shares are of what the forest
            says, and mean little where this is low. NaN where all results are equal.
    """

    parameters: tuple[VarianceShare, ...]
    pairs: tuple[VarianceShare, ...]
    rows: int
    explained: float


def importance_of(
    space: Mapping[str, object],
    configurations: Sequence[Configuration],
    objectives: Sequence[float],
    *,
    top: int = 5,
    seed: int = 0,
) -> Importance:
    """How much of the objective's variance each parameter explains, and the interactions of the first `top`.

    Args:
        space: in its serialised form; all configurations lie in it.
        objectives: finite, one for each configuration.
        seed: decides which rows are used of more than MOST_ROWS, and how trees grow.

    Raises:
        UsageError: there are fewer than LEAST_ROWS results.

    Source: Hutter, Hoos, Leyton-Brown (2014), "An efficient approach for assessing hyperparameter
    importance"; the marginals of pairs of leaves are summed in closed form, without a grid.
    """
    if len(objectives) < LEAST_ROWS:
        raise UsageError(
            f"Importance needs at least {LEAST_ROWS} results and there are {len(objectives)}: "
            "evaluate more (ambs run, ambs launch), or add some from elsewhere (ambs tell)."
        )
    encoding = Encoding(space_from_json(space))
    chosen = _chosen(len(objectives), seed)
    y = np.array([objectives[i] for i in chosen], dtype=float)
    y = (y - y.mean()) / (np.ptp(y) or 1.0)  # shares stay as they are, and squares of 1e200 are none
    X = encoding.features(np.array([encoding.encode(configurations[i]) for i in chosen]))
    forest = grow_boxes(X, y, trees=TREES, min_leaf=max(1, len(y) // LEAVES), seed=seed)
    axes = axes_of(encoding)
    parents = [sorted(encoding.constraints.parents(j)) for j in range(encoding.dimensions)]
    trees = [tree for one in forest.trees if (tree := _TreeVariance(one, axes)).total > 0.0]
    table = np.array([tree.shares(parents) for tree in trees]).reshape(len(trees), encoding.dimensions)
    order = np.argsort(-table.sum(axis=0), kind="stable")
    pairs = [tuple(sorted(pair)) for pair in combinations(order[:top].tolist(), 2)]
    crossed = np.array([[tree.pair_share(i, j) for i, j in pairs] for tree in trees])
    crossed = crossed.reshape(len(trees), len(pairs))
    names = encoding.names
    return Importance(
        tuple(_share((names[j],), table[:, j]) for j in order),
        tuple(
            sorted(
                (_share((names[i], names[j]), crossed[:, k]) for k, (i, j) in enumerate(pairs)),
                key=lambda one: -one.share,
            )
        ),
        len(y),
        forest.explained,
    )


def _chosen(number: int, seed: int) -> list[int]:
    if number <= MOST_ROWS:
        return list(range(number))
    rng = np.random.default_rng([seed, 1])
    return sorted(rng.choice(number, size=MOST_ROWS, replace=False).tolist())


def _share(names: tuple[str, ...], values: Floats) -> VarianceShare:
    if not len(values):
        return VarianceShare(names, 0.0, 0.0)
    return VarianceShare(names, max(float(values.mean()), 0.0), float(values.std()))


class _TreeVariance:
    """The variance of one tree over the space, and the parts of it."""

    def __init__(self, boxes: LeafBoxes, axes: Sequence[ParameterAxis]) -> None:
        weights = np.array([axis.weights(boxes) for axis in axes])  # (d, l)
        is_real = np.prod(weights, axis=0) > 0.0  # other leaves hold no legal value
        boxes = LeafBoxes(boxes.values[is_real], boxes.lower[is_real], boxes.upper[is_real])
        self._axes, self._boxes, self._weights = axes, boxes, weights[:, is_real]
        self._volumes = np.prod(self._weights, axis=0)
        # Without its mean the tree loses no digits where differences are small.
        values = boxes.values - float(self._volumes @ boxes.values)
        self._scaled = values * self._volumes
        self._overlaps = [axis.overlaps(boxes) for axis in axes]
        self.total = float(self._scaled @ values)
        self._alone = [self._variance(j) for j in range(len(axes))]

    def shares(self, parents: Sequence[Sequence[int]]) -> Floats:
        """(d,) of each parameter alone."""
        parts = np.array(self._alone)
        for j, axis in enumerate(self._axes):
            if parents[j] and 0.0 < axis.inactive < 1.0:
                moved = self._of_activity(j)
                parts[j] -= moved
                parts[parents[j]] += moved / len(parents[j])
        return np.asarray(parts / self.total)

    def pair_share(self, i: int, j: int) -> float:
        """Of what two parameters explain together and neither does alone."""
        u = self._scaled / (self._weights[i] * self._weights[j])
        both = float(u @ (self._overlaps[i] * self._overlaps[j]) @ u)
        return (both - self._alone[i] - self._alone[j]) / self.total

    def _variance(self, j: int) -> float:
        u = self._scaled / self._weights[j]
        return float(u @ self._overlaps[j] @ u)

    def _of_activity(self, j: int) -> float:
        """Variance between being active and being inactive; the mean of all is 0."""
        axis = self._axes[j]
        inactive = float((self._scaled / self._weights[j]) @ axis.holds_inactive(self._boxes))
        active = -axis.inactive * inactive / (1.0 - axis.inactive)
        return axis.inactive * inactive**2 + (1.0 - axis.inactive) * active**2
