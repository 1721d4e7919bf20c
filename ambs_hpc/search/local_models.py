"""The local processes of a search: one on distances, one on ranks, drawn by how each orders what is known.

Distances show where a smooth valley goes; ranks tell apart what lies close together at its bottom. Which
serves better depends on the problem, so that both are fitted, and the one that orders the best results
better without having seen them proposes more often. Ranks make the noise of a plateau look like progress:
a search that gets nowhere leaves them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.forest import Forest
from ambs_hpc.search.history import History
from ambs_hpc.search.local_gp import LocalGp
from ambs_hpc.search.objective_transform import ADAPTIVE, Scale, fit_scale

RANKS_SHARE = 0.4  # of the proposals, where both order alike
PER_SKILL = 8.0  # by how much that share grows with the difference of their skills


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A local process and the scale of its targets."""

    process: LocalGp
    scale: Scale


class LocalModels:
    """The processes of a history, as functions of it and of the next ordinal alone.

    Args:
        points: observations that each is conditioned on, >= 2.
        transform: of the objective; "adaptive" stands for half ranks and ranks.
    """

    def __init__(self, encoding: Encoding, seed: int, points: int, transform: str) -> None:
        transforms = ("half_rank", "rank") if transform == ADAPTIVE else (transform,)
        self._processes = {one: LocalGp(encoding, seed, points, one) for one in transforms}
        self._scales: dict[str, tuple[tuple[int, int], Scale]] = {}

    def learn(self, history: History, forest: Forest) -> None:
        """Each process is fitted to what is known."""
        for process in self._processes.values():
            process.learn(history, forest.first_count)

    def first(self, forest: Forest) -> LocalModel:
        """The process on the forest's own scale."""
        return LocalModel(next(iter(self._processes.values())), forest.scale)

    def draw(
        self, history: History, forest: Forest, stagnation: float, rng: np.random.Generator
    ) -> LocalModel:
        """One of the processes, by their skills and by `stagnation` in [0, 1]."""
        self.learn(history, forest)
        if len(self._processes) == 1:
            return self.first(forest)
        distances, ranks = self._processes.values()
        share = float(np.clip(RANKS_SHARE + PER_SKILL * (ranks.skill - distances.skill), 0.0, 1.0))
        if rng.random() >= share * (1.0 - stagnation):
            return self.first(forest)
        return LocalModel(ranks, self._scale("rank", history, forest))

    def _scale(self, transform: str, history: History, forest: Forest) -> Scale:
        """Of the same observations as the forest's."""
        state = (history.generation, forest.newest)
        if transform not in self._scales or self._scales[transform][0] != state:
            y = history.objectives[: forest.newest]
            self._scales[transform] = (state, fit_scale(transform, y[np.isfinite(y)]))
        return self._scales[transform][1]
