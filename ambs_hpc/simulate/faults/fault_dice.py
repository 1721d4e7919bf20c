"""Decides under a seed whether a fault happens, and counts those that did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from ambs_hpc.simulate.faults.fault_kinds import FaultKind, FaultSettings

DICE_STREAM = 2


class FaultDice:
    """The random numbers of one run; the order in which they are drawn is part of the run.

    Args:
        is_calm: whether faults have stopped.
    """

    def __init__(self, settings: FaultSettings, is_calm: Callable[[], bool]) -> None:
        self.settings = settings
        self.random = np.random.default_rng((settings.seed, DICE_STREAM))
        self.injected: Counter[FaultKind] = Counter()
        self._is_calm = is_calm

    def happens(self, kind: FaultKind, probability: float | None = None) -> bool:
        """Whether the fault happens now; it is counted if it does.

        Args:
            probability: None takes the seed's rate.
        """
        if kind not in self.settings.kinds or self._is_calm():
            return False
        if self.random.random() >= (self.settings.rate if probability is None else probability):
            return False
        self.injected[kind] += 1
        return True

    def seconds(self, mean: float) -> float:
        """An exponentially distributed time."""
        return float(self.random.exponential(mean))

    def pick(self, number: int) -> int:
        """One of `number` >= 1 choices."""
        return int(self.random.integers(number))
