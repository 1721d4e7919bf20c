"""Random legal configurations of the space, and whether an unknown one is left."""

from __future__ import annotations

import numpy as np

from ambs_hpc.errors import SpaceExhausted
from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.encoding import Encoding

ENUMERABLE = 200_000  # combinations that are listed rather than sampled
GUESSES = 512
ENOUGH = 64  # different guesses that make listing unnecessary
ROUNDS = 200  # of guesses, before a space too large to list counts as exhausted


class ConfigurationSampler:
    """Draws legal rows of V; detects that a finite space has no unknown row left."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self._listed: list[tuple[bytes, Floats]] | None = None

    def sample(self, rng: np.random.Generator, count: int) -> Floats:
        """(m, d) legal rows, m <= count: `count` uniform points without those that a clause forbids."""
        V = self._encoding.from_uniform(rng.random((count, self._encoding.dimensions)))
        return V[self._encoding.constraints.allowed(V)]

    def unknown(self, rng: np.random.Generator, known: set[bytes]) -> Floats:
        """(m, d) legal rows that are not known, 1 <= m <= GUESSES, in random order.

        Raises:
            SpaceExhausted: no unknown row is left.
        """
        listable = float(np.prod(self._encoding.sizes)) <= ENUMERABLE
        for _ in range(1 if listable else ROUNDS):
            new = {row.tobytes(): row for row in self.sample(rng, GUESSES) if row.tobytes() not in known}
            if len(new) >= (ENOUGH if listable else 1):
                return np.array(list(new.values()))
        left = [row for key, row in self._all() if key not in known] if listable else []
        if not left:
            raise SpaceExhausted(
                f"Every configuration of the space has been proposed ({len(known)} in all): nothing is "
                "left to ask for. Widen the space in a new campaign to go on."
            )
        chosen = rng.permutation(len(left))[:GUESSES]
        return np.array([left[place] for place in chosen])

    def _all(self) -> list[tuple[bytes, Floats]]:
        """Every legal configuration of a finite space, once."""
        if self._listed is None:
            sizes = [int(size) for size in self._encoding.sizes]
            places = np.indices(sizes).reshape(len(sizes), -1).T
            V = self._encoding.from_listed(places.astype(float))
            V = V[self._encoding.constraints.allowed(V)]
            self._listed = list({row.tobytes(): row for row in V}.items())
        return self._listed
