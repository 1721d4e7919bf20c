"""Model-based proposals for several objectives and within constraints.

A tenth of the proposals minimise a random scalarisation of the objectives' ranks by the forest (Knowles 2006,
ParEGO); the others gain most dominated volume by optimistic predictions of local processes (Ponweiser et al.
2008, "Multiobjective optimization on a limited budget of evaluations using model-assisted S-metric
selection"), times the probability that the constraints hold (Gardner et al. 2014, "Bayesian optimization with
inequality constraints"). While nothing feasible is known, they go where the constraints are broken least.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.search.acquisition import draw_kappa, lower_confidence_bound, with_failures
from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.forest import Growth, load_trees
from ambs_hpc.search.history import Draft, History
from ambs_hpc.search.method_options import AmbsOptions
from ambs_hpc.search.methods.design_search import DesignStrategy
from ambs_hpc.search.objectives.goal_forest import GoalForest
from ambs_hpc.search.objectives.goal_scales import ranking_of
from ambs_hpc.search.objectives.goal_search import GoalSearcher
from ambs_hpc.search.objectives.local_goals import GoalNeighbourhood, LocalGoals
from ambs_hpc.search.objectives.measures import Measures
from ambs_hpc.search.objectives.scalarisation import DominatedVolume, draw_weights, tchebycheff
from ambs_hpc.search.protocol import Searcher, SearchSpec
from ambs_hpc.search.sampling.candidates import FINE_STEP, WIDE_STEP, Candidates
from ambs_hpc.search.sampling.refinement import Score, best_first, refined
from ambs_hpc.search.sampling.sampler import ConfigurationSampler
from ambs_hpc.search.searcher import first_unknown
from ambs_hpc.search.streams import Stream, generator
from ambs_hpc.threads import one_thread

LARGEST_DESIGN = 20
ELITE = 30  # observations near which candidates lie
LOCAL_STEPS = (0.15, 0.04)
BEYOND = 0.1  # how far the reference lies beyond the front, as a share of its extent
INSIDE = 0.5  # share of the local proposals for which better extremes than those known do not count
CALMER = 0.5  # weight of the uncertainty with several objectives: each of them draws to the edges
LEAST_STD = 1e-6


class GoalStrategy:
    """Proposes by one forest and local processes of all objectives and constraints."""

    def __init__(self, encoding: Encoding, options: AmbsOptions, measures: Measures, seed: int) -> None:
        self._encoding, self._options, self._measures, self._seed = encoding, options, measures, seed
        self._sampler = ConfigurationSampler(encoding)
        first = options.design_size or min(2 * encoding.dimensions + 1, LARGEST_DESIGN)
        self._design = DesignStrategy(encoding, self._sampler, options.design, seed, first)
        self._candidates = Candidates(encoding, self._sampler, options.global_share)
        growth = Growth(
            options.tree,
            options.trees,
            options.min_leaf,
            options.refresh,
            options.training_rows,
            options.transform,
            options.lie,
            first,
        )
        self._forest = GoalForest(growth, encoding, measures, seed)
        self._local = LocalGoals(encoding, measures, seed, options.local_points, options.transform)

    def choose(self, history: History) -> Draft:
        """A point of the design until the forest is grown, then the best candidate of one of two models."""
        self._forest.update(history)
        if not self._forest.is_grown:
            return self._design.choose(history)
        rng = generator(self._seed, Stream.GOAL_PROPOSAL, history.next_ordinal)
        weights = draw_weights(rng, self._measures.objectives)
        ranking = self._ranking(history, weights)
        if rng.random() < self._options.local_share:
            return self._from_local(history, rng, ranking)
        return self._from_forest(history, rng, ranking, weights)

    def prepare(self, history: History) -> None:
        """Import scikit-learn, and grow the forest of what is known."""
        load_trees()
        with one_thread():
            self._forest.update(history)
            self._forest.grow(history)

    def _ranking(self, history: History, weights: Floats) -> NDArray[np.intp]:
        gone = np.isnan(history.current_objectives)
        front, scales = self._forest.front.places, self._forest.scales
        return ranking_of(scales, history.measures, gone, front, weights)

    def _from_forest(
        self, history: History, rng: np.random.Generator, ranking: NDArray[np.intp], weights: Floats
    ) -> Draft:
        self._forest.grow(history)
        kappa = draw_kappa(rng, self._options.exploration, self._options.kappa)
        m, scales = self._measures.objectives, self._forest.scales
        ideal = np.array([one.best for one in scales.costs])
        worst = float(tchebycheff((scales.worst - ideal)[None], weights)[0])

        def score(V: Floats) -> Floats:
            places = self._forest.places(V)
            means, stds = self._forest.predict(places)
            scores = tchebycheff(lower_confidence_bound(means[:, :m], stds[:, :m], kappa) - ideal, weights)
            if self._measures.constraints:
                scores = self._constrained(scores, means[:, m:], stds[:, m:], kappa, worst)
                scores = with_failures(scores, self._forest.infeasible_rate(places), worst)
            if history.failures:
                scores = with_failures(scores, self._forest.failure_rate(places), worst)
            return np.stack([scores, means[:, 0], stds[:, 0]])

        count = self._options.candidates
        V = self._candidates.around(rng, self._elite(history, rng, ranking), count, history.count)
        steps = [FINE_STEP / turn for turn in range(1, self._options.rounds)]
        return self._best(history, rng, refined(self._candidates, rng, V, score, steps, count // 2))

    def _constrained(self, scores: Floats, means: Floats, stds: Floats, kappa: float, worst: float) -> Floats:
        """Scores to be minimised where the constraints may be broken."""
        if not len(self._forest.front.places):
            return _excess(means, stds, kappa)
        return with_failures(scores, 1.0 - _probability(means, stds), worst)

    def _from_local(self, history: History, rng: np.random.Generator, ranking: NDArray[np.intp]) -> Draft:
        calm = CALMER if self._measures.objectives > 1 else 1.0
        kappa = draw_kappa(rng, self._options.exploration, calm * self._options.local_kappa)
        front = self._forest.front.places
        near = self._local.neighbourhood(history, self._forest.scales, self._forest.first_count, front)
        believing, believed = self._local.with_pending(near, history)
        score = self._local_score(history, believing, self._volume(history, rng, ranking, believed), kappa)
        third = self._options.candidates // 3
        V = self._candidates.mutated(rng, near.centre[None], np.zeros(third, dtype=np.intp), WIDE_STEP)
        elite = self._candidates.near_elite(rng, self._elite(history, rng, ranking), third + third // 2)
        anywhere = self._candidates.anywhere(rng, third // 2, history.count)
        V = np.concatenate([V, elite, anywhere])
        return self._best(history, rng, refined(self._candidates, rng, V, score, LOCAL_STEPS, third))

    def _volume(
        self, history: History, rng: np.random.Generator, ranking: NDArray[np.intp], believed: Floats
    ) -> DominatedVolume:
        """The volume that the front dominates, and what is pending where it is believed to be feasible."""
        m, scales = self._measures.objectives, self._forest.scales
        front = self._forest.front.places
        T = scales.cost_targets(history.measures[front if len(front) else ranking[:1]])
        best, nadir = T.min(axis=0), T.max(axis=0)
        extent = np.maximum(nadir - best, 0.1 * (scales.worst - best))
        extent = np.where(extent > 0.0, extent, 1.0)
        if m == 1:
            extent = np.maximum(scales.worst - best, 1e-3)
        inside = m > 1 and rng.random() < INSIDE
        volume = DominatedVolume(
            rng, nadir + (BEYOND if m > 1 else 1.0) * extent, best, best if inside else None
        )
        volume.include(T if len(front) else T[:0])
        volume.include(believed[(believed[:, m:] <= 0.0).all(axis=1), :m])
        return volume

    def _local_score(
        self, history: History, near: GoalNeighbourhood, volume: DominatedVolume, kappa: float
    ) -> Score:
        m, has_feasible = self._measures.objectives, bool(len(self._forest.front.places))
        noise = near.noise[m:]
        if history.failures:
            self._forest.grow(history)

        def score(V: Floats) -> Floats:
            means, stds = near.predict(self._encoding.smooth_features(V))
            if self._measures.constraints and not has_feasible:
                scores = _excess(means[:, m:], stds[:, m:], kappa)
            else:
                gains = volume.gain(lower_confidence_bound(means[:, :m], stds[:, :m], kappa))
                if self._measures.constraints:
                    gains *= _probability(means[:, m:], np.sqrt(stds[:, m:] ** 2 + noise))
                scores = -gains
            if history.failures:
                rates = self._forest.failure_rate(self._forest.places(V))
                scores = with_failures(scores, rates, 0.0 if has_feasible else float(np.max(scores)))
            return np.stack([scores, means[:, 0], stds[:, 0]])

        return score

    def _elite(self, history: History, rng: np.random.Generator, ranking: NDArray[np.intp]) -> Floats:
        """(e, d) rows near which candidates lie; those on the front are equally good, in random order."""
        on_front = len(self._forest.front.places)
        front = rng.permutation(ranking[:on_front])[:ELITE]
        rest = ranking[on_front : on_front + max(4, ELITE - on_front) // 2]
        return np.asarray(history.rows[np.concatenate([front, rest])])

    def _best(self, history: History, rng: np.random.Generator, scored: tuple[Floats, Floats]) -> Draft:
        """The best scored candidate that is not known; any unknown row when there is none."""
        V, figures = scored
        place = first_unknown(V, best_first(figures[0], len(V)), history.known)
        if place is None:
            return Draft(self._sampler.unknown(rng, history)[0], "random")
        score, mean, std = (float(one) for one in figures[:, place])
        return Draft(V[place], "model", *self._forest.scales.costs[0].in_units(mean, std), score)


def _probability(means: Floats, stds: Floats) -> Floats:
    """(n,) probability that all excesses (n, k) are at most 0, were they independent."""
    from scipy.special import ndtr

    return np.asarray(ndtr(-means / np.maximum(stds, LEAST_STD)).prod(axis=1))


def _excess(means: Floats, stds: Floats, kappa: float) -> Floats:
    """(n,) optimistic sum of excesses (n, k); where it is 0, the less the mean excess the better."""
    optimistic = lower_confidence_bound(means, stds, kappa)
    return np.asarray(np.maximum(optimistic, 0.0).sum(axis=1) + 0.1 * np.maximum(means, -1.0).sum(axis=1))


def goal_searcher(spec: SearchSpec, options: AmbsOptions) -> Searcher:
    """A searcher of several objectives, or within constraints, at its beginning."""
    assert spec.goals is not None
    strategy = GoalStrategy(spec.encoding, options, Measures(spec.goals), spec.seed)
    return GoalSearcher(spec.encoding, strategy, spec.goals, spec.starting_points)
