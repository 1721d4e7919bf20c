"""A strategy beside another one: it proposes what the sources recommend, as far as results agree with them.

Before there are three results, the first proposal is a lead, one of the best points of a source, far from
each other; of what is proposed beyond three without a result, a quarter. After that the share of the
sources is the sum of their weights, and the other strategy has the rest: all of it when no source orders
the results better than luck does. What other problems teach is worth most at the beginning, so that their
share fades as results come in.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ambs_hpc.search.acquisition import draw_kappa, lower_confidence_bound
from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.forest import load_trees
from ambs_hpc.search.history import Draft, History
from ambs_hpc.search.protocol import SearchSpec, Strategy
from ambs_hpc.search.sampling.candidates import FINE_STEP, Candidates
from ambs_hpc.search.sampling.refinement import best_first, refined
from ambs_hpc.search.sampling.sampler import ConfigurationSampler
from ambs_hpc.search.searcher import first_unknown
from ambs_hpc.search.streams import Stream, generator
from ambs_hpc.search.transfer.mapped_source import map_source
from ambs_hpc.search.transfer.rank_weights import rank_weights
from ambs_hpc.search.transfer.residual_model import ResidualModel, Results, left_out, results_of
from ambs_hpc.search.transfer.source_model import SourceModel

FIRST_RESULTS = 3  # before which nothing can be said about a source
LEADING_SHARE = 0.25  # leads among the proposals before that, but the first two
MOST_BLIND = 64  # proposals among which leads are
CANDIDATES = 200  # of the first round
GLOBAL_SHARE = 0.25  # of the candidates that come from the whole space
KAPPA = 0.5  # mean weight of the deviation: the sources have seen much already
TARGET_ELITE = 10  # best results here around which candidates lie, beside the sources' best
NEAR_PENDING = 32  # newest pending proposals that are believed
FADES_AFTER = 30  # results, from which on the sources' share falls as one over their number
LEAST_WEIGHT = 0.02  # of a source that is asked


def warm_started(inner: Strategy, spec: SearchSpec) -> Strategy:
    """The strategy with the sources of the campaign beside it; itself, when none has a usable success."""
    mapped = [map_source(spec.encoding, source) for source in spec.sources]
    sources = [
        SourceModel(spec.encoding, one, spec.seed, number)
        for number, one in enumerate(mapped)
        if one.successes
    ]
    return TransferStrategy(inner, spec.encoding, sources, spec.seed) if sources else inner


class TransferStrategy:
    """Proposes from sources or leaves it to the strategy inside."""

    def __init__(
        self, inner: Strategy, encoding: Encoding, sources: Sequence[SourceModel], seed: int
    ) -> None:
        self._inner, self._encoding, self._sources, self._seed = inner, encoding, sources, seed
        sampler = ConfigurationSampler(encoding)
        self._candidates = Candidates(encoding, sampler, GLOBAL_SHARE)
        self._state = (-1, -1)
        self._weights: Floats = np.zeros(len(sources))
        self._results: Results | None = None
        self._bases: Floats = np.zeros((len(sources), 0))
        self._known_bases: dict[bytes, Floats] = {}

    def choose(self, history: History) -> Draft:
        """What the sources recommend, with their share of the proposals; else what the other chooses."""
        rng = generator(self._seed, Stream.SOURCE_PROPOSAL, history.next_ordinal)
        drawn = float(rng.random())
        if history.count < FIRST_RESULTS or not history.successes:
            draft = self._lead(history) if self._is_leading(history, drawn) else None
        else:
            share = min(1.0, FADES_AFTER / history.count)
            is_theirs = drawn < share and drawn < share * float(self.weights(history).sum())
            draft = self._from_sources(history, rng) if is_theirs else None
        return draft or self._inner.choose(history)

    def prepare(self, history: History) -> None:
        """The forests of the sources are grown, and the other strategy is prepared."""
        load_trees()
        for source in self._sources:
            source.predict(self._encoding.default[None])
        self._inner.prepare(history)

    def weights(self, history: History) -> Floats:
        """(sources,) how far each is trusted, in [0, 1] together; all alike, before anything is known."""
        if history.count < FIRST_RESULTS or not history.successes:
            return np.full(len(self._sources), LEADING_SHARE / len(self._sources))
        state = (history.generation, history.count)
        if state != self._state:
            self._results = results_of(self._encoding, history)
            self._bases = self._predicted(history.rows[self._results.places])
            rng = generator(self._seed, Stream.SOURCE_WEIGHT, history.count)
            own = left_out(self._results)
            self._weights = rank_weights(self._bases, own, self._results.t, rng)
            self._state = state
        return self._weights

    def _is_leading(self, history: History, drawn: float) -> bool:
        """Whether a lead is next: the third proposal; many at once are not all made on trust."""
        first = history.next_ordinal
        if first == FIRST_RESULTS - 1 == history.count:
            return True
        return FIRST_RESULTS <= first < MOST_BLIND and drawn < LEADING_SHARE

    def _lead(self, history: History) -> Draft | None:
        """The first lead that is not known, of the sources in turn that contradict no result."""
        sources = self._agreeing(history)
        longest = max((len(source.leads) for source in sources), default=0)
        for turn in range(longest):
            for source in sources:
                if turn < len(source.leads) and source.leads[turn].tobytes() not in history.known:
                    return Draft(source.leads[turn], "source")
        return None

    def _agreeing(self, history: History) -> list[SourceModel]:
        """The sources that put no two of the results in the wrong order; a failure is the worst."""
        places = history.current
        results = np.nan_to_num(history.objectives[places], nan=np.inf)
        lower = results[:, None] < results[None, :]
        bases = self._predicted(history.rows[places]) if len(places) else np.zeros((len(self._sources), 0))
        wrong = [bool((lower & (base[:, None] >= base[None, :])).any()) for base in bases]
        return [source for source, is_wrong in zip(self._sources, wrong, strict=True) if not is_wrong]

    def _from_sources(self, history: History, rng: np.random.Generator) -> Draft | None:
        """The candidate with the best lower confidence bound under the weighted sources."""
        results = self._results
        assert results is not None  # `weights` has been asked
        weights = np.where(self._weights < LEAST_WEIGHT, 0.0, self._weights)
        weights = weights / weights.sum()
        model = ResidualModel(results, weights @ self._bases)
        model.with_pending(self._pending(history))
        kappa = draw_kappa(rng, "exponential", KAPPA)

        def score(V: Floats) -> Floats:
            base = self._weighted(V, weights)
            mean, std = model.predict(self._encoding.smooth_features(V), base)
            return np.stack([lower_confidence_bound(mean, std, kappa), mean, std])

        elite = self._elite(history, weights)
        V = np.concatenate([elite, self._candidates.around(rng, elite, CANDIDATES, history.count)])
        V, figures = refined(self._candidates, rng, V, score, [FINE_STEP], CANDIDATES // 2)
        place = first_unknown(V, best_first(figures[0], len(V)), history.known)
        if place is None:
            return None
        score_there, mean, std = (float(one) for one in figures[:, place])
        predicted = results.scale.in_units(mean * results.spread + results.shift, std * results.spread)
        return Draft(V[place], "source", *predicted, score_there)

    def _predicted(self, V: Floats) -> Floats:
        """(sources, n) what each source predicts for known rows.

        Each is asked once and alone: the last digits of a prediction depend on how many are made together,
        and a restarted search asks for many at once.
        """
        for row in V:
            if row.tobytes() not in self._known_bases:
                figures = [float(source.predict(row[None])[0]) for source in self._sources]
                self._known_bases[row.tobytes()] = np.array(figures)
        return np.array([self._known_bases[row.tobytes()] for row in V]).T

    def _weighted(self, V: Floats, weights: Floats) -> Floats:
        """(n,) the weighted mean of the sources' predictions."""
        asked = [(weight, source) for weight, source in zip(weights, self._sources, strict=True) if weight]
        return np.asarray(sum(weight * source.predict(V) for weight, source in asked))

    def _elite(self, history: History, weights: Floats) -> Floats:
        """Rows that are good here or in a source, the best first of both in turn."""
        rows = [history.rows[history.best(TARGET_ELITE)]]
        for weight, source in zip(weights, self._sources, strict=True):
            if weight:
                rows.append(source.elite)
        return np.concatenate(rows)

    def _pending(self, history: History) -> Floats:
        """(m, f) features of the newest pending proposals."""
        newest = list(history.pending.values())[-NEAR_PENDING:]
        rows = np.array([one.row for one in newest]).reshape(-1, self._encoding.dimensions)
        return self._encoding.smooth_features(rows)
