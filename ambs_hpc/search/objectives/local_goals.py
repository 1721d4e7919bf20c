"""Processes of all objectives and constraints around a point of the front, beside the forest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.gaussian_process import Hyperparameters, fit, halfway, prior
from ambs_hpc.search.history import History
from ambs_hpc.search.local_gp import (
    NEAR_PENDING,
    PROPOSALS_PER_CENTRE,
    REFIT_AT_LEAST,
    REFIT_SHARE,
    SEARCHED_FOR_NEAREST,
)
from ambs_hpc.search.objectives.goal_scales import GoalScales, fit_goal_scales, front_of, ranking_of
from ambs_hpc.search.objectives.joint_process import JointProcess
from ambs_hpc.search.objectives.measures import Measures
from ambs_hpc.search.objectives.scalarisation import draw_weights
from ambs_hpc.search.streams import Stream, generator


@dataclass(frozen=True, slots=True)
class GoalNeighbourhood:
    """Processes of all columns of the targets, and what they were conditioned on.

    Args:
        centre: (d,) a row of V.
        processes: of one column each.
        shifts, spreads: (q,) means and standard deviations of the targets, on the scales.
    """

    centre: Floats
    processes: tuple[JointProcess, ...]
    shifts: Floats
    spreads: Floats

    def predict(self, X: Floats) -> tuple[Floats, Floats]:
        """Means and standard deviations on the scales, each (n, q)."""
        found = [one.predict(X) for one in self.processes]
        means = np.concatenate([mean for mean, _ in found], axis=1) * self.spreads + self.shifts
        return means, np.concatenate([std for _, std in found], axis=1) * self.spreads

    @property
    def noise(self) -> Floats:
        """(q,) variances of the noise on the scales."""
        return np.concatenate([one.noise for one in self.processes]) * self.spreads**2


class LocalGoals:
    """The local processes of a history, as functions of it and of the next ordinal alone."""

    def __init__(
        self, encoding: Encoding, measures: Measures, seed: int, points: int, transform: str
    ) -> None:
        self._encoding, self._measures, self._seed = encoding, measures, seed
        self._points, self._transform = points, transform
        self._current: GoalNeighbourhood | None = None
        self._state = (0, 0)
        self._reset(0)

    def neighbourhood(
        self, history: History, scales: GoalScales, first: int, front: NDArray[np.intp]
    ) -> GoalNeighbourhood:
        """The processes for the next proposal, without what is pending.

        Args:
            scales: from the forest.
            first: observations at which there was a first model, >= 2.
            front: places of the front.
        """
        self._learn(history, first)
        block = history.next_ordinal // PROPOSALS_PER_CENTRE
        state = (history.count, block)
        if self._current is None or state != self._state:
            rng = generator(self._seed, Stream.GOAL_CENTRE, *state)
            # Not the next proposal's weights: others of its block share the neighbourhood.
            weights = draw_weights(rng, self._measures.objectives)
            gone = np.isnan(history.current_objectives)
            ranking = ranking_of(scales, history.measures, gone, front, weights)
            place = int(rng.integers(len(front))) if len(front) > 1 else int(rng.exponential(2.0))
            centre = int(ranking[min(place, len(ranking) - 1)])
            self._current, self._state = self._around(history, scales, ranking, centre), state
        return self._current

    def with_pending(self, near: GoalNeighbourhood, history: History) -> tuple[GoalNeighbourhood, Floats]:
        """The processes that believe their predictions of the nearest pending proposals, and those (p, q)."""
        rows = [one.row for one in history.pending.values()]
        if not rows:
            return near, np.zeros((0, len(near.shifts)))
        X = self._encoding.smooth_features(np.array(rows[-SEARCHED_FOR_NEAREST:]))
        middle = self._encoding.smooth_features(near.centre[None])
        distances = (((X - middle) / self._lengths) ** 2).sum(axis=1)
        X = X[np.argsort(distances, kind="stable")[:NEAR_PENDING]]
        found = [one.assuming(X) for one in near.processes]
        believed = np.concatenate([one for _, one in found], axis=1) * near.spreads + near.shifts
        processes = tuple(one for one, _ in found)
        return GoalNeighbourhood(near.centre, processes, near.shifts, near.spreads), believed

    def _reset(self, generation: int) -> None:
        middle = self._encoding.from_uniform(np.full((1, self._encoding.dimensions), 0.5))
        self._features = self._encoding.smooth_features(middle).shape[1]
        self._generation, self._count, self._next_fit = generation, 0, 0
        self._X: Floats = np.zeros((0, self._features))
        self._fitted: Sequence[Hyperparameters] = ()
        self._current = None

    @property
    def _lengths(self) -> Floats:
        """(f,) by which points are near: the shortest of all columns."""
        return np.asarray(np.min([one.lengths for one in self._fitted], axis=0))

    def _learn(self, history: History, first: int) -> None:
        if history.generation != self._generation:
            self._reset(history.generation)
        if history.count > self._count:
            X = self._encoding.smooth_features(history.rows[self._count :])
            self._X, self._count = np.concatenate([self._X, X]), history.count
        due = self._next_fit or first
        while due <= history.count:  # at fixed numbers of observations, each fit begun near the one before
            self._fitted = self._fit(history.measures[:due])
            due += max(REFIT_AT_LEAST, int(REFIT_SHARE * due))
            self._current = None
        self._next_fit = due

    def _fit(self, M: Floats) -> Sequence[Hyperparameters]:
        start = prior(self._features)
        before = self._fitted or [start] * (self._measures.objectives + self._measures.constraints)
        rng = generator(self._seed, Stream.GOAL_FIT, len(M))
        scales = fit_goal_scales(self._measures, self._transform, M)
        weights = draw_weights(rng, self._measures.objectives)
        ranking = ranking_of(scales, M, np.isnan(M[:, 0]), front_of(self._measures, M), weights)
        centre = int(ranking[min(int(rng.exponential(2.0)), len(ranking) - 1)])
        rows = self._chosen(M, ranking, centre, np.min([one.lengths for one in before], axis=0))
        T, _, _ = _standardised(scales.targets(M)[rows])
        return [
            fit(self._X[rows], column, halfway(one, start)) for column, one in zip(T.T, before, strict=True)
        ]

    def _around(
        self, history: History, scales: GoalScales, ranking: NDArray[np.intp], centre: int
    ) -> GoalNeighbourhood:
        rows = self._chosen(history.measures, ranking, centre, self._lengths)
        T, shifts, spreads = _standardised(scales.targets(history.measures)[rows])
        processes = tuple(
            JointProcess(one, self._X[rows], T[:, j, None]) for j, one in enumerate(self._fitted)
        )
        return GoalNeighbourhood(history.rows[centre].copy(), processes, shifts, spreads)

    def _chosen(self, M: Floats, ranking: NDArray[np.intp], centre: int, lengths: Floats) -> NDArray[np.intp]:
        """Places of the best half and of the successes nearest to the centre."""
        best = ranking[: self._points // 2]
        oldest = max(0, len(M) - SEARCHED_FOR_NEAREST)
        near = oldest + np.flatnonzero(np.isfinite(M[oldest:, 0]))
        near = near[~np.isin(near, best)]
        distances = (((self._X[near] - self._X[centre]) / lengths) ** 2).sum(axis=1)
        return np.concatenate([best, near[np.argsort(distances, kind="stable")[: self._points - len(best)]]])


def _standardised(T: Floats) -> tuple[Floats, Floats, Floats]:
    shifts, spreads = T.mean(axis=0), T.std(axis=0)
    spreads = np.where(spreads > 0.0, spreads, 1.0)
    return (T - shifts) / spreads, shifts, spreads
