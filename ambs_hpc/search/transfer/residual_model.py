"""The weighted sources as the mean of a Gaussian process, which learns where the results differ from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.gaussian_process import Posterior, prior
from ambs_hpc.search.history import History
from ambs_hpc.search.objective_transform import Scale, fit_scale

POINTS = 64  # results that are learned: the best half of as many, and the newest
SLOPE_PRIOR = 0.1  # variance of the sources' mean below which its slope is doubted
LEAST_SPREAD = 0.05  # of what the sources leave unexplained, in standard deviations of the results


@dataclass(frozen=True, slots=True)
class Results:
    """The results that are learned; a failure counts as the worst.

    Args:
        places: (n,) in the history.
        X: (n, f) their features for distances.
        t: (n,) standardised normal scores.
        shift, spread: `t * spread + shift` is on the scale.
    """

    places: NDArray[np.intp]
    X: Floats
    t: Floats
    scale: Scale
    shift: float
    spread: float


def results_of(encoding: Encoding, history: History) -> Results:
    """The results of a history with at least one success."""
    places = _chosen(history)
    y = history.objectives[places]
    scale = fit_scale("rank", y[np.isfinite(y)])
    scaled = scale.forward(y)
    shift, spread = float(scaled.mean()), float(scaled.std()) or 1.0
    X = encoding.smooth_features(history.rows[places])
    return Results(places, X, (scaled - shift) / spread, scale, shift, spread)


def left_out(results: Results) -> Floats:
    """(n,) what the results alone predict for each of them from the others."""
    return Posterior(prior(results.X.shape[1]), results.X, results.t).left_out()


class ResidualModel:
    """Predicts standardised results as `level + slope * sources + process`.

    Source: Golovin et al. (2017), "Google Vizier: a service for black-box optimization" (processes on the
    residuals of earlier studies).
    """

    def __init__(self, results: Results, base: Floats) -> None:
        """Learn the results; `base` (n,) is what the sources predict for them."""
        middle = base - base.mean()
        self._slope = max(0.0, float(middle @ results.t) / (float(middle @ middle) + SLOPE_PRIOR))
        self._base_mean = float(base.mean())
        residuals = results.t - self._slope * middle
        self._spread = max(float(residuals.std()), LEAST_SPREAD)
        self._process = Posterior(prior(results.X.shape[1]), results.X, residuals / self._spread)

    def with_pending(self, X: Floats) -> None:
        """The process believes itself at the pending proposals (m, f), so that others go elsewhere."""
        if len(X):
            self._process = self._process.assuming(X, None)

    def predict(self, X: Floats, base: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation of standardised results, each (n,).

        Args:
            X: (n, f) features for distances.
            base: (n,) what the sources predict.
        """
        mean, std = self._process.predict(X)
        explained = self._slope * (base - self._base_mean)
        return explained + self._spread * mean, self._spread * std


def _chosen(history: History) -> NDArray[np.intp]:
    """Places of the best and of the newest results, in the order told."""
    current = np.array(history.current, dtype=np.intp)
    if len(current) <= POINTS:
        return current
    best = history.best(POINTS // 2)
    rest = current[~np.isin(current, best)]
    return np.sort(np.concatenate([best, rest[len(best) - POINTS :]]))
