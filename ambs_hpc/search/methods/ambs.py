"""Asynchronous model-based search: a design, then the lower confidence bound of an open forest.

Source: Balaprakash, Salim, Uram, Vishwanath, Wild (2018), "DeepHyper: asynchronous hyperparameter search
for deep neural networks", HiPC; the departures from it are the options of `AmbsOptions`.
"""

from __future__ import annotations

import numpy as np

from ambs_hpc.search.acquisition import draw_kappa, lower_confidence_bound, with_failures
from ambs_hpc.search.constant_liar import constant_lie
from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.forest import Forest, Growth, load_trees
from ambs_hpc.search.gaussian_process import Posterior
from ambs_hpc.search.history import Draft, History
from ambs_hpc.search.local_gp import Neighbourhood
from ambs_hpc.search.local_models import LocalModel, LocalModels
from ambs_hpc.search.method_options import CLASSIC, AmbsOptions, read_options
from ambs_hpc.search.methods.design_search import DesignStrategy
from ambs_hpc.search.objective_transform import Scale
from ambs_hpc.search.protocol import Searcher, SearchSpec
from ambs_hpc.search.rungs.rung_searcher import rung_searcher
from ambs_hpc.search.sampling.candidates import FINE_STEP, WIDE_STEP, Candidates
from ambs_hpc.search.sampling.holes import distances_to_known
from ambs_hpc.search.sampling.niches import Niche, draw_niche, draw_other_choice
from ambs_hpc.search.sampling.refinement import Score, best_first, refined
from ambs_hpc.search.sampling.sampler import ConfigurationSampler
from ambs_hpc.search.searcher import first_unknown
from ambs_hpc.search.stagnation import Stagnation
from ambs_hpc.search.streams import Stream, generator
from ambs_hpc.search.transfer.transfer_strategy import warm_started
from ambs_hpc.threads import one_thread

PRESETS = {"ambs": AmbsOptions(), "classic": CLASSIC}
ELITE_SHARE, SMALLEST_ELITE, LARGEST_ELITE = 0.1, 4, 30
LOCAL_STEPS = (0.15, 0.04)  # of the refinement around the best candidates of a local process
LARGEST_DESIGN = 20  # completions after which a model is asked, however many parameters there are
NEAR_SUCCESSES = 64  # candidates near the few that succeeded
FILLED_WITH_CHOICES, FILLED = 0.33, 0.6  # share of what is looked for elsewhere that fills the space evenly
HOLES = 64  # random candidates of which the one farthest from all that is known fills a hole
# Share of the proposals of a local process that expects nothing more which fill holes instead, with two
# parameters, and what each further one leaves of it, as of the space that a basin of such a width fills.
FILLED_WHERE_FLAT, BASIN_WIDTH = 0.7, 0.25
NICHES, IN_NICHE = 2, 40  # other choices among the candidates of the local process, and candidates of each
NICHE_KAPPA = 1.5  # in a niche, of which little is known, uncertainty weighs more than near the best


def create(spec: SearchSpec) -> Searcher:
    """A searcher by the forest and the local process, with the preset that the method names.

    Raises:
        UsageError: an option does not exist or has a wrong value.
    """
    options = read_options(spec.method, PRESETS[spec.method], spec.options)
    if spec.goals is not None:
        from ambs_hpc.search.objectives.goal_strategy import goal_searcher

        return goal_searcher(spec, options)
    strategy = warm_started(AmbsStrategy(spec.encoding, options, spec.seed), spec)
    return rung_searcher(spec, strategy)


class AmbsStrategy:
    """Proposes the candidate with the best lower confidence bound of the forest."""

    def __init__(self, encoding: Encoding, options: AmbsOptions, seed: int) -> None:
        self._encoding, self._options, self._seed = encoding, options, seed
        self._sampler = ConfigurationSampler(encoding)
        self._first = options.design_size or min(2 * encoding.dimensions + 1, LARGEST_DESIGN)
        self._design = DesignStrategy(encoding, self._sampler, options.design, seed, self._first)
        self._candidates = Candidates(encoding, self._sampler, options.global_share)
        growth = Growth(
            options.tree,
            options.trees,
            options.min_leaf,
            options.refresh,
            options.training_rows,
            options.transform,
            options.lie,
            self._first,
        )
        self._forest = Forest(growth, encoding, seed)
        self._locals = LocalModels(encoding, seed, options.local_points, options.transform)
        self._stagnation = Stagnation(encoding.dimensions)

    def choose(self, history: History) -> Draft:
        """A point of the design until the forest is grown, then the best candidate of one of two models."""
        self._forest.update(history)
        if not self._forest.is_grown:
            return self._of_design(history)
        rng = generator(self._seed, Stream.PROPOSAL, history.next_ordinal)
        if rng.random() < self._options.explored_share * self._stagnation.level(history):
            return self._from_elsewhere(history, rng)
        if rng.random() < self._options.local_share:
            return self._from_local(history, rng)
        return self._from_forest(history, rng)

    def prepare(self, history: History) -> None:
        """Import scikit-learn, and grow the forest and the local process of what is known."""
        load_trees()
        with one_thread():  # of the libraries just loaded, too
            self._forest.update(history)
            if self._forest.is_grown:
                self._forest.update_lies(history)
                if self._options.local_share > 0.0:
                    self._locals.learn(history, self._forest)

    def _of_design(self, history: History) -> Draft:
        """A point of the design; where hardly anything succeeds, every second one lies near what did."""
        if history.count >= self._first and history.successes and history.next_ordinal % 2:
            rng = generator(self._seed, Stream.PROPOSAL, history.next_ordinal)
            good = history.rows[history.best(SMALLEST_ELITE)]
            V = self._candidates.mutated(rng, good, rng.integers(len(good), size=NEAR_SUCCESSES), WIDE_STEP)
            place = first_unknown(V, range(len(V)), history.known)
            if place is not None:
                return Draft(V[place], "design")
        return self._design.choose(history)

    def _from_elsewhere(self, history: History, rng: np.random.Generator) -> Draft:
        """Where the best is not: a point of the design, or the best candidate of a niche."""
        has_choices = len(self._encoding.choice_columns) > 0
        niche = None
        if rng.random() >= (FILLED_WITH_CHOICES if has_choices else FILLED):
            niche = draw_niche(self._encoding, history, rng)
        if niche is None:
            return self._design.choose(history)
        return self._from_niche(niche, history, rng) or self._design.choose(history)

    def _from_niche(self, niche: Niche, history: History, rng: np.random.Generator) -> Draft | None:
        """The best candidate of the niche by a process around its best one; None without candidates."""
        half = self._options.candidates // 2
        centre = history.rows[niche.centre][None]
        near_centre = self._candidates.mutated(rng, centre, np.zeros(half, dtype=np.intp), WIDE_STEP)
        anywhere = self._candidates.anywhere(rng, half, history.count)
        V = niche.legal(rng, np.concatenate([near_centre, anywhere]))
        if not len(V):
            return None
        model = self._locals.first(self._forest)
        near = model.process.around(history, model.scale, self._forest.first_count, niche.centre)
        kappa = draw_kappa(rng, self._options.exploration, NICHE_KAPPA * self._options.local_kappa)
        score = self._local_score(history, model, near, kappa)

        def inside(V: Floats) -> Floats:
            figures = score(V)
            figures[0, ~niche.contains(V)] = np.inf
            return figures

        V, figures = refined(self._candidates, rng, V, inside, LOCAL_STEPS, half // 2)
        V, figures = V[np.isfinite(figures[0])], figures[:, np.isfinite(figures[0])]
        place = first_unknown(V, best_first(figures[0], len(V)), history.known)
        return None if place is None else self._draft(V[place], figures[:, place], model.scale)

    def _from_forest(self, history: History, rng: np.random.Generator) -> Draft:
        self._forest.update_lies(history)
        kappa = draw_kappa(rng, self._options.exploration, self._options.kappa)
        worst = self._forest.scale.worst

        def score(V: Floats) -> Floats:
            places = self._forest.places(V)
            mean, std = self._forest.predict(places)
            scores = lower_confidence_bound(mean, std, kappa)
            if history.failures:
                scores = with_failures(scores, self._forest.failure_rate(V), worst)
            return np.stack([scores, mean, std])

        count = self._options.candidates
        V = self._candidates.around(rng, self._elite(history), count, history.count)
        steps = [FINE_STEP / turn for turn in range(1, self._options.rounds)]
        scored = refined(self._candidates, rng, V, score, steps, count // 2)
        return self._best(history, rng, scored, self._forest.scale)

    def _from_local(self, history: History, rng: np.random.Generator) -> Draft:
        model = self._locals.draw(history, self._forest, self._stagnation.level(history), rng)
        kappa = draw_kappa(rng, self._options.exploration, self._options.local_kappa)
        near = model.process.neighbourhood(history, model.scale, self._forest.first_count)
        score = self._local_score(history, model, near, kappa)
        V = self._around(history, rng, near)
        scored = refined(self._candidates, rng, V, score, LOCAL_STEPS, self._options.candidates // 3)
        draft = self._best(history, rng, scored, model.scale)
        return self._in_a_hole(draft, history, rng) or draft

    def _in_a_hole(self, draft: Draft, history: History, rng: np.random.Generator) -> Draft | None:
        """What is tried in place of a local draft that promises nothing: another basin may lie there."""
        if draft.mean is None or draft.std is None or not self._options.explored_share:
            return None
        effort = self._stagnation.effort(history, draft.mean - draft.std)
        share = FILLED_WHERE_FLAT * BASIN_WIDTH ** max(0, self._encoding.dimensions - 2)
        if rng.random() >= share * effort:
            return None
        V = self._candidates.anywhere(rng, HOLES, history.count)
        far = distances_to_known(self._encoding, history, V)
        if history.failures:
            far = far * (1.0 - self._forest.failure_rate(V))
        place = first_unknown(V, best_first(-far, len(V)), history.known)
        return None if place is None else Draft(V[place], "design")

    def _local_score(self, history: History, model: LocalModel, near: Neighbourhood, kappa: float) -> Score:
        """The lower confidence bound of a local process, with the forest's rate of failures."""
        process = self._with_lies(model, near, history)
        worst = (model.scale.worst - near.shift) / near.spread

        def score(V: Floats) -> Floats:
            mean, std = process.predict(self._encoding.smooth_features(V))
            scores = lower_confidence_bound(mean, std, kappa)
            if history.failures:
                scores = with_failures(scores, self._forest.failure_rate(V), worst)
            return np.stack([scores, mean * near.spread + near.shift, std * near.spread])

        return score

    def _around(self, history: History, rng: np.random.Generator, near: Neighbourhood) -> Floats:
        """First candidates of a local process: near its incumbent, near the elite, and with other choices."""
        third = self._options.candidates // 3
        V = self._candidates.mutated(rng, near.centre[None], np.zeros(third, dtype=np.intp), WIDE_STEP)
        near_elite = self._candidates.near_elite(rng, self._elite(history), third + third // 2)
        return np.concatenate([V, near_elite, *self._with_other_choices(history, rng)])

    def _with_other_choices(self, history: History, rng: np.random.Generator) -> list[Floats]:
        """Candidates near the best with another choice, else the first plateau keeps all proposals."""
        found = []
        for niche in (draw_other_choice(self._encoding, history, rng) for _ in range(NICHES)):
            if niche is not None:
                centre = history.rows[niche.centre][None]
                V = self._candidates.mutated(rng, centre, np.zeros(IN_NICHE, dtype=np.intp), WIDE_STEP)
                found.append(niche.legal(rng, V))
        return found

    def _with_lies(self, model: LocalModel, near: Neighbourhood, history: History) -> Posterior:
        """The process with the lies of pending proposals."""
        if self._options.lie == "none":
            return near.posterior
        constant = constant_lie(model.scale, self._options.lie)
        lie = None if constant is None else (constant - near.shift) / near.spread
        return model.process.with_pending(near, history, lie)

    def _best(
        self, history: History, rng: np.random.Generator, scored: tuple[Floats, Floats], scale: Scale
    ) -> Draft:
        """The best scored candidate that is not known; any unknown row when there is none."""
        V, (scores, means, stds) = scored
        place = first_unknown(V, best_first(scores, len(scores)), history.known)
        if place is None:
            return self._fallback(history, rng)
        return self._draft(V[place], np.array([scores[place], means[place], stds[place]]), scale)

    def _draft(self, row: Floats, figures: Floats, scale: Scale) -> Draft:
        """A row that a model chose; `figures`: its score, and mean and deviation on the model's scale."""
        mean, std = scale.in_units(float(figures[1]), float(figures[2]))
        return Draft(row, "model", mean, std, float(figures[0]))

    def _elite(self, history: History) -> Floats:
        count = int(np.clip(ELITE_SHARE * history.successes, SMALLEST_ELITE, LARGEST_ELITE))
        return history.rows[history.best(count)]

    def _fallback(self, history: History, rng: np.random.Generator) -> Draft:
        """The best of some unknown rows from the whole space, as the end of a finite space needs it."""
        self._forest.update_lies(history)
        V = self._sampler.unknown(rng, history)
        means, stds = self._forest.predict(self._forest.places(V))
        scores = lower_confidence_bound(means, stds, self._options.kappa)
        place = int(best_first(scores, 1)[0])
        mean, std = self._forest.scale.in_units(means[place], stds[place])
        return Draft(V[place], "random", mean, std, float(scores[place]))
