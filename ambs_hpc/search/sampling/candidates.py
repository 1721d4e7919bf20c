"""Candidates for a proposal: from the whole space, near the elite, along its differences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.search.constraints import Floats, Mask
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.sampling.sampler import ConfigurationSampler

WIDE_STEP, FINE_STEP = 0.3, 0.1  # largest standard deviation of a step, as a share of a parameter's range
SMALLEST_STEP = 0.01  # share of the largest step; step sizes are log-uniform between the two
PRIOR_OBSERVATIONS = 50  # after as many, half of the candidates from the whole space follow its priors
ONE_PARAMETER_SHARE = 0.5  # share of the mutations that change about one parameter, the others any number


@dataclass(frozen=True, slots=True)
class Candidates:
    """Makes legal candidates, rows of V.

    Args:
        encoding, sampler: encoding of the space and sampler of its legal rows.
        global_share: share of the candidates that come from the whole space; the others come from the elite.
    """

    encoding: Encoding
    sampler: ConfigurationSampler
    global_share: float = 0.25

    def around(self, rng: np.random.Generator, elite: Floats, count: int, observations: int) -> Floats:
        """About `count` rows from all sources.

        Args:
            elite: (k, d) rows of V, best first, k >= 1.
            observations: how many are known: the more, the less the priors of the space count.
        """
        anywhere = int(self.global_share * count)
        near = self.near_elite(rng, elite, count - anywhere)
        return np.concatenate([self.anywhere(rng, anywhere, observations), near])

    def anywhere(self, rng: np.random.Generator, count: int, observations: int) -> Floats:
        """At most `count` rows from the whole space; the more is known, the less its priors count."""
        prior_share = PRIOR_OBSERVATIONS / (PRIOR_OBSERVATIONS + observations)
        return self.sampler.sample(rng, count, prior_share)

    def near_elite(self, rng: np.random.Generator, elite: Floats, count: int) -> Floats:
        """About `count` rows: a third differential steps, the others mutations of good rows."""
        third = count // 3
        weights = 1.0 / np.arange(1, len(elite) + 1)
        parents = rng.choice(len(elite), size=count - third, p=weights / weights.sum())
        steps = self._legal(self._differences(rng, elite, third))
        return np.concatenate([steps, self.mutated(rng, elite, parents, WIDE_STEP)])

    def mutated(self, rng: np.random.Generator, V: Floats, parents: NDArray[np.intp], step: float) -> Floats:
        """Rows near `V[parents]`, at most one each: normal steps in a few numbers, a few choices drawn anew.

        Args:
            V: (k, d) rows.
            parents: (m,) places in V.
            step: largest standard deviation of a step, as a share of a parameter's range.
        """
        Z = self._positions(rng, V, parents)
        m, d = Z.shape
        single = rng.random(m) < ONE_PARAMETER_SHARE
        chance = np.where(single, 1.0 / d, rng.uniform(1.0 / d, 1.0, m))
        moved = rng.random((m, d)) < chance[:, None]
        moved[np.arange(m), rng.integers(d, size=m)] = True
        sizes = step * SMALLEST_STEP ** rng.random((m, 1))
        steps = rng.standard_normal((m, d)) * sizes
        found = _reflected(Z + np.where(moved, steps, 0.0))
        return self._legal(self._mixed(rng, found, Z, self._any_choice(rng, m), moved))

    def _differences(self, rng: np.random.Generator, elite: Floats, count: int) -> Floats:
        """Positions of differential steps, whose scale and direction follow the elite's.

        Source: Storn & Price (1997), "Differential evolution".
        """
        a, b, c = (self._positions(rng, elite, rng.integers(len(elite), size=count)) for _ in range(3))
        moved = rng.random(a.shape) < rng.uniform(0.2, 1.0, (count, 1))
        found = _reflected(a + np.where(moved, rng.uniform(0.2, 1.0, (count, 1)) * (b - c), 0.0))
        return self._mixed(rng, found, a, b[:, self.encoding.choice_columns], moved)

    def _mixed(self, rng: np.random.Generator, Z: Floats, old: Floats, other: Floats, moved: Mask) -> Floats:
        """`Z` with the choices of `old`, but about every second one that moved from `other` (m, choices)."""
        columns = self.encoding.choice_columns
        taken = moved[:, columns] & (rng.random(other.shape) < 0.5)
        Z[:, columns] = np.where(taken, other, old[:, columns])
        return Z

    def _positions(self, rng: np.random.Generator, V: Floats, chosen: NDArray[np.intp]) -> Floats:
        """Z of rows `V[chosen]`, inactive values drawn at random: a step may make them active."""
        Z = self.encoding.positions(V)[chosen]
        if not self.encoding.constraints.is_flat:
            anything = rng.random(Z.shape)
            anything[:, self.encoding.choice_columns] = self._any_choice(rng, len(Z))
            Z = np.where(np.isnan(V)[chosen], anything, Z)
        return Z

    def _any_choice(self, rng: np.random.Generator, count: int) -> Floats:
        """(count, choices) places of choices."""
        sizes = self.encoding.sizes[self.encoding.choice_columns]
        return np.floor(rng.random((count, len(sizes))) * sizes)

    def _legal(self, Z: Floats) -> Floats:
        V = self.encoding.from_positions(Z)
        return V[self.encoding.constraints.allowed(V)]


def _reflected(Z: Floats) -> Floats:
    """Positions beyond a bound mirrored back; what is still outside is for `Encoding.from_positions`."""
    Z = np.abs(Z)
    return np.minimum(Z, 2.0 - Z)
