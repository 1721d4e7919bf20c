"""Whether a search gets anywhere: how long ago it found what is better by more than next to nothing."""

from __future__ import annotations

import numpy as np

from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.history import History
from ambs_hpc.search.objective_transform import usual

# The least progress, as a share of the distance from the best value to the median of the first successes.
# Ever smaller steps on a plateau are none, however long the models are pleased with them.
TOLERANCE = 0.01
LOOKED_AT = 200  # observations among which the first successes are
PATIENCE = 15  # completions without progress, and one for each parameter, for which nobody worries
CALM, CALM_TO_FULL = 0.25, 0.5  # shares of the patience: until the level rises, and while it does
EFFORT, LEFT_OF_IT = 4.0, 0.3  # after so many times the patience in vain, so much of the effort is left


class Stagnation:
    """The stagnation of a history, as a function of it alone."""

    def __init__(self, dimensions: int) -> None:
        self._patience = PATIENCE + dimensions
        self._state = (-1, -1)
        self._since, self._least, self._effort = 0, 0.0, 1.0

    def level(self, history: History) -> float:
        """How much is to be looked for elsewhere, in [0, 1]: 0 while there is progress.

        It grows from a quarter to three quarters of the patience. What is pending was proposed before the
        newest results were known, so it does not count as tried.
        """
        state = (history.generation, history.count)
        if state != self._state:
            y = history.current_objectives
            self._least = least_progress(y)
            self._since = history.count - 1 - last_progress(y)
            self._state = state
        waited = (self._since - len(history.pending)) / self._patience
        self._effort = 1.0 if waited < EFFORT else LEFT_OF_IT
        return float(np.clip((waited - CALM) / CALM_TO_FULL, 0.0, 1.0)) * self._effort

    def effort(self, history: History, expected: float) -> float:
        """How much of what a model proposes is to be looked for elsewhere instead, in [0, 1].

        Args:
            expected: the best that the model hopes for, to be minimised, in the objective's units. Where
                that is no progress, its optimum is found, long before as many evaluations have shown it.
        """
        self.level(history)
        best = float(history.objectives[history.best(1)[0]])
        return self._effort if best - expected < self._least else 0.0


def least_progress(y: Floats) -> float:
    """By how much an observation must improve on the best to count; `y` as for `last_progress`."""
    early = y[int(np.flatnonzero(np.isfinite(y))[0]) :][:LOOKED_AT]
    return TOLERANCE * (usual(early[np.isfinite(early)]) - float(np.nanmin(y)))


def last_progress(y: Floats) -> int:
    """The place of the newest observation that improved on what had been known by more than the tolerance.

    Args:
        y: (n,) objectives in the order told, to be minimised, NaN for failures; one is finite.
    """
    best = np.fmin.accumulate(y)
    records = np.flatnonzero(best[1:] < best[:-1]) + 1
    least = least_progress(y)
    found = int(np.flatnonzero(np.isfinite(y))[0])
    for place in records:
        if best[place] < best[found] - least:
            found = int(place)
    return found
