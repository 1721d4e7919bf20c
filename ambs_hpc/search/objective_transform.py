"""The transform of the objective for the models (half ranks, ranks, logarithms or raw), and its inverse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ambs_hpc.search.constraints import Floats

ADAPTIVE = "adaptive"  # half ranks here; see `local_models` for what is by ranks then
TRANSFORMS = (ADAPTIVE, "half_rank", "rank", "log", "raw")
FIRST_SUCCESSES = 20  # their median says what is usual: values of later evaluations lie ever lower
EXACT_BEST = 128  # ranks of the best are kept one by one
KNOTS = 384  # quantiles stand for the rest
BELOW_BEST = 1.0  # how far a new best value may lie below the old one on the scale
LOG_OFFSET_SHARE = (
    0.02  # of the distance from best to median: the logarithm's zero lies that far below the best
)
LARGEST = 2.0**1000  # beyond it objectives are equal, and within a step of SMALLEST, so that differences
SMALLEST = 2.0**-1020  # and slopes of the scale stay finite
PENALTY_SPREADS = 1e6  # of the best quarter, beyond which raw values are penalties that would hide all others
RAW_SPREADS = 1e3  # of the best quarter, at which such penalties then count


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

    def in_units(self, mean: float, std: float) -> tuple[float, float]:
        """A prediction in the objective's units: its middle, and half of what lies within a deviation."""
        low, middle, high = self.backward(np.array([mean - std, mean, mean + std]))
        return float(middle), float(high - low) / 2.0


def fit_scale(transform: str, objectives: Floats, middle: float | None = None) -> Scale:
    """The scale of `objectives` (n,), n >= 1, finite, in the order told: half ranks read what came first.

    Args:
        transform: one of TRANSFORMS.
        middle: value up to which half ranks keep distances; None takes the usual one.

    Raises:
        ValueError: there is no such transform.
    """
    if transform not in TRANSFORMS:
        raise ValueError(f"transform {transform!r} is none of {TRANSFORMS}")
    ordered = np.sort(_representable(objectives))
    if transform == "raw":
        ordered = np.minimum(ordered, _penalty_bound(ordered))
    knots = _knots(ordered)
    if transform in (ADAPTIVE, "half_rank"):
        t = _half_ranks(ordered, knots, usual(objectives) if middle is None else middle)
    elif transform == "rank":
        t = _normal_scores(ordered, knots)
    elif transform == "log":
        offset = LOG_OFFSET_SHARE * float(np.median(ordered) - ordered[0]) or 1e-12
        t = np.log(knots - knots[0] + offset)
    else:
        unit = 2.0 ** int(np.frexp(np.abs(ordered).max())[1])
        scaled = ordered / unit  # exact; squares of huge values would overflow, of tiny ones vanish
        t = (knots / unit - scaled.mean()) / (scaled.std() or 1.0)
    mean = float(np.interp(ordered, knots, t).mean()) if len(knots) > 1 else float(t[0])
    worst, best = float(t[-1]), float(t[0])
    return Scale(*_extended(knots, t), worst, mean, best)


def usual(objectives: Floats) -> float:
    """The median of the first successes without penalties; `objectives` (n,), n >= 1, finite, as told."""
    return float(np.median(_without_penalties(objectives[:FIRST_SUCCESSES])))


def _without_penalties(objectives: Floats) -> Floats:
    """The objectives that are no penalties of another order of magnitude, rising, so that sums are finite."""
    ordered = np.sort(_representable(objectives))
    return ordered[ordered <= _penalty_bound(ordered)]


def _representable(objectives: Floats) -> Floats:
    clipped = np.clip(objectives, -LARGEST, LARGEST)
    small = np.abs(clipped) < 1.0
    clipped[small] = np.rint(clipped[small] / SMALLEST) * SMALLEST
    return np.asarray(clipped)


def _penalty_bound(ordered: Floats) -> float:
    """The value at which penalties of another order of magnitude are cut."""
    different = np.unique(ordered)
    spread = float(different[max(1, len(different) // 4)] - different[0]) if len(different) > 2 else 0.0
    if spread == 0.0 or different[-1] - different[0] <= PENALTY_SPREADS * spread:
        return float(ordered[-1])
    return float(different[0] + RAW_SPREADS * spread)


def _knots(ordered: Floats) -> Floats:
    if len(ordered) > EXACT_BEST + KNOTS:
        rest = ordered[np.linspace(EXACT_BEST, len(ordered) - 1, KNOTS).astype(int)]
        ordered = np.concatenate([ordered[:EXACT_BEST], rest])
    return np.unique(ordered)


def _normal_scores(ordered: Floats, knots: Floats) -> Floats:
    """Quantiles of the normal distribution at the middle rank of each knot; even steps keep ties apart."""
    from scipy.special import ndtri

    return np.asarray(ndtri(_ranks(ordered, knots) / (2.0 * len(ordered))), dtype=np.float64)


def _half_ranks(ordered: Floats, knots: Floats, middle: float) -> Floats:
    """Distances up to `middle`, above it normal scores of ranks; mean 0 and deviation 1 over `ordered`.

    Ranks would spread the values of a plateau over the whole scale, as if there were progress on it, and raw
    values let one diverged training flatten the others. The middle stays where the search began: were it the
    median of everything, it would follow the search onto the plateau.

    Source: Song et al. (2024), "The Vizier Gaussian process bandit algorithm", section 3; there the middle
    is the median of everything.
    """
    from scipy.special import ndtri

    depth = middle - float(ordered[0]) or 1.0
    good = (np.minimum(ordered, middle) - middle)[ordered <= middle] / depth
    spread = float(np.sqrt(np.mean(good**2))) if len(good) and good.any() else 1.0
    n, below = 2.0 * len(ordered), _ranks(ordered, knots)
    start = float(_ranks(ordered, np.array([middle]))[0])
    share = np.clip((below - start) / (n - start + 1.0), 0.0, None)  # of those above the middle, below 1
    distances = (np.minimum(knots, middle) - middle) / depth / spread
    t = np.where(knots <= middle, distances, ndtri(0.5 + 0.5 * share))
    all_t = np.interp(ordered, knots, t) if len(knots) > 1 else t
    return np.asarray((t - all_t.mean()) / (all_t.std() or 1.0))


def _ranks(ordered: Floats, values: Floats) -> Floats:
    """Twice the middle rank of each value among `ordered`, from 0."""
    return np.asarray(np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right"))


def _extended(knots: Floats, t: Floats) -> tuple[Floats, Floats]:
    """The knots with one more below the best, at the slope of the best tenth: better values still count."""
    other = min(len(knots) - 1, max(1, len(knots) // 10))
    rise = float(t[other] - t[0]) if other else 0.0
    step = float(knots[other] - knots[0]) / rise * BELOW_BEST if rise > 0 else max(abs(float(knots[0])), 1.0)
    lower = knots[0] - min(step, LARGEST)
    return np.concatenate([[lower], knots]), np.concatenate([[t[0] - BELOW_BEST], t])
