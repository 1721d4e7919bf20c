"""Random legal configurations of the space, and whether an unknown one is left."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ambs_hpc.errors import NoLegalConfiguration, SpaceExhausted
from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.history import History
from ambs_hpc.search.sampling.construction import TRIES, built, moved, steps_from
from ambs_hpc.search.sampling.enumeration import ENUMERABLE, legal_rows

GUESSES = 512
ENOUGH = 64  # different guesses that make listing unnecessary
ROUNDS = 4  # of guesses, before legal rows are listed or constructed
NARROW = 0.01  # legal share of a space below which guesses are not enough
JUDGED_BY = 4096  # guesses that estimate the share
STARTS = 64  # known legal rows from which others are looked for


class ConfigurationSampler:
    """Draws legal rows of V; proves that a finite space has no unknown row left."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding

    def sample(self, rng: np.random.Generator, count: int, prior_share: float = 1.0) -> Floats:
        """(m, d) legal rows, m <= count, from the whole space.

        Args:
            prior_share: share of them that follow the priors of the space; the others are uniform.
        """
        if self._is_narrow:
            return self._from_pool(rng, count)
        U = rng.random((count, self._encoding.dimensions))
        informed = count if prior_share >= 1.0 else round(prior_share * count)
        V = self._encoding.from_uniform(U[:informed])
        if informed < count:
            V = np.concatenate([V, self._encoding.from_uniform(U[informed:], without_priors=True)])
        return V[self._encoding.constraints.allowed(V)]

    def unknown(self, rng: np.random.Generator, history: History) -> Floats:
        """(m, d) legal rows that are not known, m >= 1, in random order.

        Raises:
            SpaceExhausted: no unknown row is left; all legal ones were listed.
            NoLegalConfiguration: none was found, though there may be one.
        """
        listable = float(np.prod(self._encoding.sizes)) <= ENUMERABLE
        for _ in range(1 if listable else ROUNDS):
            new = _unknown(self._guesses(rng), history.known)
            if len(new) >= (ENOUGH if listable else 1):
                return new
        if self._listed is not None:
            if len(self._listed):
                guesses = self._listed[rng.integers(len(self._listed), size=GUESSES)]
                new = _unknown(guesses, history.known)
                if len(new):  # else every place is looked at: it proves the end
                    return new
            left = [place for place, key in enumerate(self._keys) if key not in history.known]
            if not left:
                raise SpaceExhausted(
                    f"Every configuration of the space has been proposed ({len(self._listed)} in all): "
                    "nothing is left to ask for. Widen the space (`ambs space`, or --revise) to go on."
                )
            chosen = rng.permutation(len(left))[:GUESSES]
            return self._listed[[left[place] for place in chosen]]
        return self._constructed(rng, history)

    def _guesses(self, rng: np.random.Generator) -> Floats:
        V = self._encoding.from_uniform(rng.random((GUESSES, self._encoding.dimensions)))
        return V[self._encoding.constraints.allowed(V)]

    def _constructed(self, rng: np.random.Generator, history: History) -> Floats:
        """Unknown rows by construction and by moves from known ones."""
        starts = self._starts(rng, history)
        new = _unknown(built(self._encoding, rng, starts), history.known)
        if not len(new):
            new = _unknown(np.concatenate([starts, moved(self._encoding, rng, starts)]), history.known)
        if not len(new):
            raise NoLegalConfiguration(
                f"No legal configuration was found that is not known already, after "
                f"{ROUNDS * GUESSES + TRIES} tries ({len(history.known)} are known). Loosen the forbidden "
                "clauses, or state the space without them: smaller ranges, conditions, or parameters that "
                "are shares of one another; and take the new space over with --revise."
            )
        return new[rng.permutation(len(new))[:GUESSES]]

    def _starts(self, rng: np.random.Generator, history: History) -> Floats:
        """(k, d) known legal rows: the space's default, the best observations, and some of the others."""
        rows = history.rows
        chosen = np.zeros(0, dtype=np.intp)
        if len(rows):
            chosen = np.concatenate([history.best(STARTS // 2), rng.integers(len(rows), size=STARTS // 2)])
        pending = [one.row for one in history.pending.values()][-STARTS:]
        return np.concatenate([self._encoding.default[None], rows[chosen], *(row[None] for row in pending)])

    def _from_pool(self, rng: np.random.Generator, count: int) -> Floats:
        """Rows of a narrow space: of those that are listed, or a step from those that were constructed."""
        rows = self._pool[rng.integers(len(self._pool), size=count)]
        if self._listed is not None:
            return rows
        other = steps_from(self._encoding, rng, rows)
        return np.where(self._encoding.constraints.allowed(other)[:, None], other, rows)

    @cached_property
    def _is_narrow(self) -> bool:
        """Whether guesses are legal too rarely; a property of the space, whatever the seed."""
        constraints = self._encoding.constraints
        if not constraints.has_clauses:
            return False
        U = np.random.default_rng(0).random((JUDGED_BY, self._encoding.dimensions))
        return float(constraints.allowed(self._encoding.from_uniform(U)).mean()) < NARROW

    @cached_property
    def _listed(self) -> Floats | None:
        return legal_rows(self._encoding)

    @cached_property
    def _keys(self) -> list[bytes]:
        return [] if self._listed is None else [row.tobytes() for row in self._listed]

    @cached_property
    def _pool(self) -> Floats:
        """Legal rows of a narrow space; they depend on the space alone, as all that is kept must."""
        if self._listed is not None:
            return self._listed
        rng, start = np.random.default_rng(0), self._encoding.default[None]
        return np.concatenate([start, built(self._encoding, rng, start), moved(self._encoding, rng, start)])


def _unknown(V: Floats, known: set[bytes]) -> Floats:
    """The rows that are not known, each once, in their order."""
    new = {row.tobytes(): row for row in V if row.tobytes() not in known}
    return np.array(list(new.values())).reshape(len(new), V.shape[1])
