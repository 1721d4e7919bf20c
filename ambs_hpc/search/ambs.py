"""Asynchronous model-based search: a design first, then the lower confidence bound of an open forest.

Source: Balaprakash, Salim, Uram, Vishwanath, Wild (2018), "DeepHyper: asynchronous hyperparameter search
for deep neural networks", HiPC; the departures from it are the options of `AmbsOptions`.
"""

from __future__ import annotations

import numpy as np

from ambs_hpc.search.acquisition import draw_kappa, lower_confidence_bound, with_failures
from ambs_hpc.search.candidates import FINE_STEP, Candidates
from ambs_hpc.search.designs import create_design
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.forest import Forest, Growth
from ambs_hpc.search.ledger import Draft, Ledger
from ambs_hpc.search.options import AmbsOptions
from ambs_hpc.search.searcher import best_first, first_unknown
from ambs_hpc.search.structure import Floats
from ambs_hpc.search.supply import Supply

PROPOSAL_STREAM, FALLBACK_STREAM = 3, 4
ELITE_SHARE, SMALLEST_ELITE, LARGEST_ELITE = 0.1, 4, 30
REFINED = 10  # best scored candidates that the next round starts from


class DesignStrategy:
    """A design without a model; also how model-based search begins."""

    def __init__(self, encoding: Encoding, supply: Supply, design: str, seed: int, block: int) -> None:
        self._encoding, self._supply, self._seed = encoding, supply, seed
        self._design = create_design(design, encoding.dimensions, seed, block)

    def choose(self, ledger: Ledger) -> Draft:
        row = self._encoding.from_uniform(self._design.point(ledger.next_ordinal)[None])
        legal = bool(self._encoding.structure.allowed(row)[0])
        if legal and row[0].tobytes() not in ledger.known:
            return Draft(row[0], "design")
        rng = np.random.default_rng([self._seed, FALLBACK_STREAM, ledger.next_ordinal])
        return Draft(self._supply.fresh(rng, ledger.known), "design")


class AmbsStrategy:
    """Proposes the candidate with the best lower confidence bound of the forest."""

    def __init__(self, encoding: Encoding, options: AmbsOptions, seed: int) -> None:
        self._encoding, self._options, self._seed = encoding, options, seed
        self._supply = Supply(encoding)
        first = options.design_size or 2 * encoding.dimensions + 1
        self._design = DesignStrategy(encoding, self._supply, options.design, seed, first)
        self._candidates = Candidates(
            encoding, self._supply, options.global_share, (1.0 - options.global_share) / 3.0
        )
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
        self._forest = Forest(growth, encoding, seed)

    def choose(self, ledger: Ledger) -> Draft:
        self._forest.update(ledger)
        if not self._forest.is_grown:
            return self._design.choose(ledger)
        rng = np.random.default_rng([self._seed, PROPOSAL_STREAM, ledger.next_ordinal])
        return self._from_forest(ledger, rng)

    def _from_forest(self, ledger: Ledger, rng: np.random.Generator) -> Draft:
        kappa = draw_kappa(rng, self._options.exploration, self._options.kappa)
        elite = self._elite(ledger)
        V = self._candidates.around(rng, elite, self._options.candidates)
        pools = [self._scored(V, kappa, ledger)]
        for turn in range(1, self._options.rounds):
            best = pools[-1][0][best_first(pools[-1][1][0], REFINED)]
            parents = (
                best[rng.integers(len(best), size=self._options.candidates // 2)] if len(best) else elite
            )
            pools.append(
                self._scored(self._candidates.mutated(rng, parents, FINE_STEP / turn), kappa, ledger)
            )
        V = np.concatenate([pool for pool, _ in pools])
        scores, means, stds = np.concatenate([figures for _, figures in pools], axis=1)
        place = first_unknown(V, best_first(scores, len(scores)), ledger.known)
        if place is None:
            return self._fallback(ledger, rng)
        mean, std = self._in_objective_units(means[place], stds[place])
        return Draft(V[place], "model", mean, std, float(scores[place]))

    def _scored(self, V: Floats, kappa: float, ledger: Ledger) -> tuple[Floats, Floats]:
        """`V` and its scores, means and standard deviations (3, n) on the scale."""
        places = self._forest.places(V)
        mean, std = self._forest.predict(places)
        scores = lower_confidence_bound(mean, std, kappa)
        if ledger.failures:
            scores = with_failures(scores, self._forest.failure_rate(places), self._forest.scale.worst)
        return V, np.stack([scores, mean, std])

    def _elite(self, ledger: Ledger) -> Floats:
        count = int(np.clip(ELITE_SHARE * ledger.successes, SMALLEST_ELITE, LARGEST_ELITE))
        return ledger.rows[ledger.best(count)]

    def _in_objective_units(self, mean: float, std: float) -> tuple[float, float]:
        scale = self._forest.scale
        low, middle, high = scale.backward(np.array([mean - std, mean, mean + std]))
        return float(middle), float(high - low) / 2.0

    def _fallback(self, ledger: Ledger, rng: np.random.Generator) -> Draft:
        row = self._supply.fresh(rng, ledger.known)
        mean, std = self._forest.predict(self._forest.places(row[None]))
        return Draft(row, "random", *self._in_objective_units(float(mean[0]), float(std[0])))
