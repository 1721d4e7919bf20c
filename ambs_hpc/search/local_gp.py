"""A Gaussian process around an incumbent, beside the forest: it models slopes where the forest models boxes.

It is conditioned on the best observations, on those nearest to an incumbent that is drawn anew at intervals,
and on the pending proposals near it. The forest supplies the scale, the elite and the feasibility.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.gaussian_process import (
    Hyperparameters,
    Posterior,
    fit,
    halfway,
    leave_one_out,
    prior,
)
from ambs_hpc.search.history import History
from ambs_hpc.search.objective_transform import Scale, fit_scale
from ambs_hpc.search.pending_features import PendingFeatures
from ambs_hpc.search.streams import Stream, generator

INCUMBENTS = 2.0  # mean rank of the incumbent that is drawn
PROPOSALS_PER_CENTRE = 8  # consecutive ordinals share an incumbent and the points around it
NEAR_PENDING = 48
SEARCHED_FOR_NEAREST = 4096  # newest observations among which the nearest are looked for
JUDGED = (3, 8)  # skill is that in telling the best third, and the best eighth, from all others
LEAST_JUDGED = 3  # of the best
REFIT_SHARE, REFIT_AT_LEAST = 0.08, 16  # new observations before the hyperparameters are fitted again


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """A local process and what it was conditioned on.

    Args:
        centre: (d,) the incumbent, a row of V.
        posterior: the process without pending proposals.
        shift, spread: mean and standard deviation of the targets, on the forest's scale.
    """

    centre: Floats
    posterior: Posterior
    shift: float
    spread: float


class LocalGp:
    """The local processes of a history, as functions of it and of the next ordinal alone."""

    def __init__(self, encoding: Encoding, seed: int, points: int, transform: str) -> None:
        self._encoding, self._seed, self._transform = encoding, seed, transform
        self._points = points
        self._current: Neighbourhood | None = None
        self._state = (0, 0)  # observations and block of ordinals that `_current` is for
        self._reset(0)

    def neighbourhood(self, history: History, scale: Scale, first: int) -> Neighbourhood:
        """The process for the next proposal.

        Args:
            scale: scale of the objective, from the forest.
            first: observations at which there was a first model, >= 2.
        """
        self.learn(history, first)
        block = history.next_ordinal // PROPOSALS_PER_CENTRE
        state = (history.count, block)
        if self._current is None or state != self._state:
            rng = generator(self._seed, Stream.INCUMBENT, *state)
            ranking = history.best(self._points)
            self._current = self._around(history, scale, ranking, self._draw(rng, ranking))
            self._state = state
        return self._current

    def around(self, history: History, scale: Scale, first: int, centre: int) -> Neighbourhood:
        """The process around the observation at this place; the other arguments as for `neighbourhood`."""
        self.learn(history, first)
        return self._around(history, scale, history.best(self._points), centre)

    def with_pending(self, around: Neighbourhood, history: History, lie: float | None) -> Posterior:
        """The process that believes the lies of the nearest pending proposals.

        Args:
            lie: standardised value; None takes the process's own prediction.
        """
        if not history.pending:
            return around.posterior
        self._pending.release(history)
        self._pending.take(history)
        nearest = self._nearest_pending(around.centre)
        return around.posterior.assuming(self._pending.X[nearest], lie)

    def _nearest_pending(self, centre: Floats) -> NDArray[np.intp]:
        """Slots of the nearest pending proposals, nearest first, the older first among equals."""
        used = self._pending.used
        middle = self._encoding.smooth_features(centre[None])
        distances = (((self._pending.X[used] - middle) / self._fitted.lengths) ** 2).sum(axis=1)
        if len(used) > NEAR_PENDING:
            near = distances <= np.partition(distances, NEAR_PENDING - 1)[NEAR_PENDING - 1]
            used, distances = used[near], distances[near]
        return used[np.lexsort((self._pending.ordinals[used], distances))[:NEAR_PENDING]]

    def _reset(self, generation: int) -> None:
        self._generation, self._count = generation, 0
        self._pending = PendingFeatures(self._encoding.smooth_features)
        self._X: Floats = np.zeros((0, self._encoding.smooth_features(self._middle()).shape[1]))
        self._fitted = prior(self._X.shape[1])
        self._next_fit, self._skill = 0, 0.0
        self._current = None

    def _middle(self) -> Floats:
        return self._encoding.from_uniform(np.full((1, self._encoding.dimensions), 0.5))

    def _remember_features(self, history: History) -> None:
        if history.count > self._count:
            X = self._encoding.smooth_features(history.rows[self._count :])
            if history.count > len(self._X):
                room = np.zeros((2 * history.count, X.shape[1]))
                room[: self._count] = self._X[: self._count]
                self._X = room
            self._X[self._count : history.count] = X
            self._count = history.count

    def _refit(self, history: History, first: int) -> None:
        """Fit the hyperparameters at fixed numbers of observations, each fit begun near the one before."""
        due = self._next_fit or first
        while due <= history.count:
            following = due + max(REFIT_AT_LEAST, int(REFIT_SHARE * due))
            if following > history.made_with:  # else another fit follows before anything is asked
                self._fitted = self._fit(history.objectives[:due])
                self._current = None
            due = following
        self._next_fit = due

    @property
    def skill(self) -> float:
        """How well it orders the best results that it has not seen, in [-1, 1]; 0 is luck, or no fit yet."""
        return self._skill

    def _fit(self, y: Floats) -> Hyperparameters:
        rng = generator(self._seed, Stream.LOCAL_FIT, len(y))
        ranking = _ranking(y, self._points)
        rows = self._chosen(ranking, y, self._draw(rng, ranking), self._fitted)
        t = fit_scale(self._transform, y[np.isfinite(y)]).forward(y[rows])
        start = halfway(self._fitted, prior(self._X.shape[1]))  # an earlier fit may be far off for good
        X, t = self._X[rows], (t - t.mean()) / (t.std() or 1.0)
        fitted = fit(X, t, start)
        self._skill = order_skill(t, leave_one_out(fitted, X, t))
        return fitted

    def learn(self, history: History, first: int) -> None:
        """The hyperparameters, and the skill, are those for all observations."""
        if history.generation != self._generation:
            self._reset(history.generation)
        self._remember_features(history)
        self._refit(history, first)

    def _around(
        self, history: History, scale: Scale, ranking: NDArray[np.intp], centre: int
    ) -> Neighbourhood:
        rows = self._chosen(ranking, history.objectives, centre, self._fitted)
        t = scale.forward(history.objectives[rows])
        shift, spread = float(t.mean()), float(t.std()) or 1.0
        posterior = Posterior(self._fitted, self._X[rows], (t - shift) / spread)
        return Neighbourhood(history.rows[centre].copy(), posterior, shift, spread)

    def _draw(self, rng: np.random.Generator, ranking: NDArray[np.intp]) -> int:
        return int(ranking[min(int(rng.exponential(INCUMBENTS)), len(ranking) - 1)])

    def _chosen(
        self, ranking: NDArray[np.intp], y: Floats, centre: int, hyperparameters: Hyperparameters
    ) -> NDArray[np.intp]:
        """Places of the best half and of the nearest successes."""
        best = ranking[: self._points // 2]
        oldest = max(0, len(y) - SEARCHED_FOR_NEAREST)
        near = oldest + np.flatnonzero(np.isfinite(y[oldest:]))
        near = near[~np.isin(near, best)]
        distances = (((self._X[near] - self._X[centre]) / hyperparameters.lengths) ** 2).sum(axis=1)
        return np.concatenate([best, near[np.argsort(distances, kind="stable")[: self._points - len(best)]]])


def order_skill(t: Floats, predicted: Floats) -> float:
    """Agreement in [-1, 1] of two orders, by pairs of which one is of the best of `t` (n,), lowest first."""
    order = np.argsort(t, kind="stable")
    found = []
    for share in JUDGED:
        best = order[: max(LEAST_JUDGED, len(t) // share)]
        true = np.sign(t[:, None] - t[None, best])
        agreement = (true * np.sign(predicted[:, None] - predicted[None, best]))[true != 0]
        found.append(float(agreement.mean()) if len(agreement) else 0.0)
    return sum(found) / len(found)


def _ranking(y: Floats, count: int) -> NDArray[np.intp]:
    """Places of the best `count` successes, best first."""
    order = np.argsort(y, kind="stable")[:count]  # failures are NaN and come last
    return order[np.isfinite(y[order])]
