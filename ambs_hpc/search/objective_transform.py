"""The transform of the objective for the models (ranks, logarithms or raw), and its inverse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ambs_hpc.search.constraints import Floats

TRANSFORMS = ("rank", "log", "raw")
EXACT_BEST = 128  # ranks of the best are kept one by one
KNOTS = 384  # quantiles stand for the rest
BELOW_BEST = 1.0  # how far a new best value may lie below the old one on the scale
LOG_OFFSET_SHARE = (
    0.02  # of the distance from best to median: the logarithm's zero lies that far below the best
)


@dataclass(frozen=True, slots=True)
class Scale:
    """A rising, piecewise linear transform from objectives to what is modelled, flat outside its knots.

    Args:
        objectives, scaled: (k,) knots, both rising.
        worst, mean, best: figures of the scaled successes.
    """

    objectives: Floats
    scaled: Floats
    worst: float
    mean: float
    best: float

    def forward(self, objectives: Floats) -> Floats:
        """Scaled values; a failure (NaN) counts as the worst that was seen."""
        t = np.interp(objectives, self.objectives, self.scaled)
        return np.where(np.isnan(objectives), self.worst, t)

    def backward(self, scaled: Floats) -> Floats:
        """Objectives of scaled values."""
        found: Floats = np.interp(scaled, self.scaled, self.objectives)
        return found


def fit_scale(transform: str, objectives: Floats) -> Scale:
    """The scale of `objectives` (n,), n >= 1, finite, in any order."""
    ordered = np.sort(objectives)
    knots = _knots(ordered)
    if transform == "rank":
        t = _normal_scores(ordered, knots)
    elif transform == "log":
        offset = max(LOG_OFFSET_SHARE * float(np.median(ordered) - ordered[0]), 1e-12)
        t = np.log(knots - knots[0] + offset)
    else:
        t = (knots - ordered.mean()) / (ordered.std() or 1.0)
    mean = float(np.interp(ordered, knots, t).mean()) if len(knots) > 1 else float(t[0])
    worst, best = float(t[-1]), float(t[0])
    return Scale(*_extended(knots, t), worst, mean, best)


def _knots(ordered: Floats) -> Floats:
    if len(ordered) > EXACT_BEST + KNOTS:
        rest = ordered[np.linspace(EXACT_BEST, len(ordered) - 1, KNOTS).astype(int)]
        ordered = np.concatenate([ordered[:EXACT_BEST], rest])
    return np.unique(ordered)


def _normal_scores(ordered: Floats, knots: Floats) -> Floats:
    """Quantiles of the normal distribution at the middle rank of each knot; even steps keep ties apart."""
    from scipy.special import ndtri

    below = np.searchsorted(ordered, knots, "left") + np.searchsorted(ordered, knots, "right")
    return np.asarray(ndtri(below / (2.0 * len(ordered))), dtype=np.float64)


def _extended(knots: Floats, t: Floats) -> tuple[Floats, Floats]:
    """The knots with one more below the best, at the slope of the best tenth: better values still count."""
    other = min(len(knots) - 1, max(1, len(knots) // 10))
    rise = t[other] - t[0] if other else 0.0
    step = (knots[other] - knots[0]) / rise * BELOW_BEST if rise > 0 else max(abs(float(knots[0])), 1.0)
    return np.concatenate([[knots[0] - step], knots]), np.concatenate([[t[0] - BELOW_BEST], t])
