"""The scales on which models see objectives and constraints: one column each, of comparable spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.objective_transform import Scale, fit_scale, usual
from ambs_hpc.search.objectives.measures import Measures, dominated
from ambs_hpc.search.objectives.scalarisation import tchebycheff


@dataclass(frozen=True, slots=True)
class GoalScales:
    """Rising transforms of costs, and of excesses, which stay 0 at 0.

    Args:
        costs: a scale for each objective.
        spreads: (k,) excesses at which their scale bends: beyond, it is logarithmic.
        means: (k,) of the excesses on the scale, which stand for missing ones.
    """

    measures: Measures
    costs: tuple[Scale, ...]
    spreads: Floats
    means: Floats

    @property
    def worst(self) -> Floats:
        """(m,) the worst costs that were seen, on the scale."""
        return np.array([one.worst for one in self.costs])

    def cost_targets(self, M: Floats) -> Floats:
        """(n, m) costs on the scale; a failure counts as the worst that was seen."""
        return np.stack([one.forward(M[:, j]) for j, one in enumerate(self.costs)], axis=1)

    def excess_targets(self, M: Floats) -> Floats:
        """(n, k) excesses on the scale, NaN where the metric is missing."""
        return np.asarray(np.arcsinh(self.measures.excess(M) / self.spreads))

    def targets(self, M: Floats) -> Floats:
        """(n, m + k) all columns; a mean stands for a missing metric."""
        G = self.excess_targets(M)
        return np.concatenate([self.cost_targets(M), np.where(np.isfinite(G), G, self.means)], axis=1)


def fit_goal_scales(measures: Measures, transform: str, M: Floats) -> GoalScales:
    """The scales of measures `M` (n, width) in the order told, of which one is a success.

    Distances count as far as the front reaches: a scale of ranks would bend the front itself.
    """
    front = front_of(measures, M)
    successes = M[np.isfinite(M[:, 0])]
    costs = []
    for j in range(measures.objectives):
        y = successes[:, j]
        reach = float(M[front, j].max()) if len(front) else -np.inf
        costs.append(fit_scale(transform, y, middle=max(usual(y), reach)))
    spreads, means = [], []
    for g in measures.excess(successes).T:
        known = g[np.isfinite(g)]
        spreads.append((float(np.median(np.abs(known))) if len(known) else 0.0) or 1.0)
        means.append(float(np.arcsinh(known / spreads[-1]).mean()) if len(known) else 0.0)
    return GoalScales(measures, tuple(costs), np.array(spreads), np.array(means))


def front_of(measures: Measures, M: Floats) -> NDArray[np.intp]:
    """Places of the feasible rows of `M` (n, width) that no other dominates, in their order."""
    feasible = np.flatnonzero(measures.feasible(M) & np.isfinite(M[:, 0]))
    return np.asarray(feasible[~dominated(M[feasible, : measures.objectives])])


def ranking_of(
    scales: GoalScales, M: Floats, is_gone: NDArray[np.bool_], front: NDArray[np.intp], weights: Floats
) -> NDArray[np.intp]:
    """Places of rows of `M` (n, width), the best first: the front, then by scalarised costs and excesses.

    Args:
        is_gone: (n,) rows that failed or were replaced, which are left out.
        weights: (m,) of the objectives.
    """
    T = scales.cost_targets(M)
    excess = np.maximum(np.nan_to_num(scales.excess_targets(M), nan=1.0), 0.0).sum(axis=1)
    merit = tchebycheff(T - T.min(axis=0), weights) + excess
    if not len(front) and scales.measures.constraints:
        merit = excess
    merit[front] = -1.0
    merit[is_gone] = np.inf
    order = np.argsort(merit, kind="stable")
    return np.asarray(order[np.isfinite(merit[order])])
