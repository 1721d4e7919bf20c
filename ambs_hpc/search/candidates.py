"""Where a proposal may lie: anywhere, near the elite, along its differences, near good candidates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.structure import Floats
from ambs_hpc.search.supply import Supply

WIDE_STEP, FINE_STEP = 0.3, 0.1  # largest standard deviation of a step, as a share of a parameter's range
SMALLEST_STEP = 0.01  # of the largest: step sizes are log-uniform between the two
ONE_PARAMETER_SHARE = 0.5  # of the mutations change about one parameter, the others any number


@dataclass(frozen=True, slots=True)
class Candidates:
    """Makes legal candidates, rows of V.

    Args:
        encoding, supply: of the space.
        global_share: of the candidates that come from anywhere; the rest come from the elite.
    """

    encoding: Encoding
    supply: Supply
    global_share: float = 0.25

    def around(self, rng: np.random.Generator, elite: Floats, count: int) -> Floats:
        """About `count` rows from all sources.

        Args:
            elite: (k, d) rows of V, best first, k >= 1.
        """
        anywhere = int(self.global_share * count)
        near = self.near_elite(rng, elite, count - anywhere)
        return np.concatenate([self.supply.sample(rng, anywhere), near])

    def near_elite(self, rng: np.random.Generator, elite: Floats, count: int) -> Floats:
        """About `count` rows: a third differential steps, the rest mutations of good ones."""
        third = count // 3
        weights = 1.0 / np.arange(1, len(elite) + 1)
        parents = elite[rng.choice(len(elite), size=count - third, p=weights / weights.sum())]
        steps = self._legal(self._differences(rng, elite, third))
        return np.concatenate([steps, self.mutated(rng, parents, WIDE_STEP)])

    def mutated(self, rng: np.random.Generator, parents: Floats, step: float) -> Floats:
        """Rows near `parents` (m, d), at most m: normal steps in a few numbers, a few choices drawn anew."""
        Z = self._positions(rng, parents)
        m, d = Z.shape
        single = rng.random(m) < ONE_PARAMETER_SHARE
        chance = np.where(single, 1.0 / d, rng.uniform(1.0 / d, 1.0, m))
        moved = rng.random((m, d)) < chance[:, None]
        moved[np.arange(m), rng.integers(d, size=m)] = True
        sizes = step * SMALLEST_STEP ** rng.random((m, 1))
        steps = rng.standard_normal((m, d)) * sizes
        numbers = _reflected(Z + np.where(moved, steps, 0.0))
        redrawn = np.where(moved & (rng.random((m, d)) < 0.5), self._any_choice(rng, m), Z)
        return self._legal(np.where(self.encoding.is_choice, redrawn, numbers))

    def _differences(self, rng: np.random.Generator, elite: Floats, count: int) -> Floats:
        """Positions of differential steps: their scale and direction are already the elite's.

        Source: Storn & Price (1997), "Differential evolution".
        """
        a, b, c = (self._positions(rng, elite[rng.integers(len(elite), size=count)]) for _ in range(3))
        moved = rng.random(a.shape) < rng.uniform(0.2, 1.0, (count, 1))
        numbers = _reflected(a + np.where(moved, rng.uniform(0.2, 1.0, (count, 1)) * (b - c), 0.0))
        choices = np.where(moved & (rng.random(a.shape) < 0.5), b, a)
        return np.where(self.encoding.is_choice, choices, numbers)

    def _positions(self, rng: np.random.Generator, V: Floats) -> Floats:
        """Z of rows, inactive values drawn at random: a step may make them active."""
        anything = np.where(self.encoding.is_choice, self._any_choice(rng, len(V)), rng.random(V.shape))
        return np.where(np.isnan(V), anything, self.encoding.positions(V))

    def _any_choice(self, rng: np.random.Generator, count: int) -> Floats:
        sizes = np.where(self.encoding.is_choice, self.encoding.sizes, 1.0)
        return np.floor(rng.random((count, len(sizes))) * sizes)

    def _legal(self, Z: Floats) -> Floats:
        V = self.encoding.from_positions(Z)
        return V[self.encoding.structure.allowed(V)]


def _reflected(Z: Floats) -> Floats:
    """Positions beyond a bound mirrored back into [0, 1]."""
    return np.clip(np.where(Z < 0.0, -Z, np.where(Z > 1.0, 2.0 - Z, Z)), 0.0, 1.0)
