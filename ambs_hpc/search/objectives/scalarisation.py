"""Many objectives as one number: weights that are drawn anew for each proposal, and dominated volumes."""

from __future__ import annotations

import numpy as np

from ambs_hpc.search.constraints import Floats

AUGMENTATION = 0.05  # weight of the sum beside the largest weighted cost
DIRECTIONS_OF_VOLUME = 96  # that estimate a volume


def draw_weights(rng: np.random.Generator, objectives: int) -> Floats:
    """(objectives,) weights, uniform on the simplex."""
    drawn = rng.exponential(size=objectives)
    return np.asarray(drawn / drawn.sum())


def tchebycheff(T: Floats, weights: Floats) -> Floats:
    """(n,) augmented Tchebycheff costs of `T` (n, m), whose columns are 0 at the best that is known.

    Source: Knowles (2006), "ParEGO: a hybrid algorithm with on-line landscape approximation for expensive
    multiobjective optimization problems".
    """
    weighted = T * weights
    return np.asarray(weighted.max(axis=1) + AUGMENTATION * weighted.sum(axis=1))


class DominatedVolume:
    """The volume between points and a reference, as a mean over random directions from the reference.

    In each direction it is the length, to the power m, up to which some point dominates.

    Source: Zhang & Golovin (2020), "Random hypervolume scalarizations for provable multi-objective black box
    optimization", lemma 5.
    """

    def __init__(
        self, rng: np.random.Generator, reference: Floats, best: Floats, floor: Floats | None = None
    ) -> None:
        """`reference`, `best`: (m,) the worst and the best costs that count, the reference above the best.

        `floor`: costs below it count as it does; None for none.
        """
        self._floor = floor
        drawn = np.abs(rng.standard_normal((DIRECTIONS_OF_VOLUME, len(reference)))) + 1e-3
        inverse = np.linalg.norm(drawn, axis=1, keepdims=True) / drawn
        self._reference, self._inverse = reference, inverse / (reference - best)  # (s, m)
        self._reached = np.zeros(DIRECTIONS_OF_VOLUME)

    def include(self, T: Floats) -> None:
        """The points `T` (n, m) dominate."""
        if len(T):
            self._reached = np.maximum(self._reached, self._lengths(T).max(axis=0))

    def gain(self, T: Floats) -> Floats:
        """(n,) the volume that each point would add; points that add none are ordered by a tiny share."""
        lengths = self._lengths(T)
        below = (lengths - self._reached).mean(axis=1)  # <= 0 where nothing is added
        reaching = self._power(np.maximum(lengths, self._reached, out=lengths))
        added = (reaching - self._power(self._reached)).mean(axis=1)
        return np.asarray(added + 1e-4 * np.exp(np.minimum(below, 0.0)))

    def _power(self, lengths: Floats) -> Floats:
        """Lengths to the power m, by products: `**` takes ten times as long above the second power."""
        found = lengths
        for _ in range(1, len(self._reference)):
            found = found * lengths
        return found

    def _lengths(self, T: Floats) -> Floats:
        """(n, s) how far each point dominates in each direction, negative beyond the reference."""
        below = self._reference - (T if self._floor is None else np.maximum(T, self._floor))
        lengths = below[:, 0, None] * self._inverse[None, :, 0]
        for j in range(1, T.shape[1]):
            np.minimum(lengths, below[:, j, None] * self._inverse[None, :, j], out=lengths)
        return np.asarray(lengths)
