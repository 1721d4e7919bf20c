"""A row of features for every pending proposal, maintained as proposals are made and resolved."""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.history import History, Pending

FIRST_SLOTS = 64
Features = Callable[[Floats], NDArray[Any]]  # V (n, d) -> (n, f)


class PendingFeatures:
    """Pending proposals by slot: a place in the arrays here and in those that their users keep beside them.

    Attributes:
        X: (size, f) features.
        ordinals: (size,) ordinals of the proposals.
        means: (size,) predictions in objective units, NaN where no model was asked.
    """

    def __init__(self, features: Features) -> None:
        self._features = features
        self._slots: dict[bytes, int] = {}
        self._free: list[int] = []
        self._in_use = np.zeros(0, dtype=np.bool_)
        self._resolved, self._newest = 0, -1  # how much of the history has been read
        self.X: NDArray[Any] = np.zeros((0, 0))
        self.ordinals: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
        self.means: Floats = np.zeros(0)

    @property
    def size(self) -> int:
        """The number of slots, used or free."""
        return len(self.ordinals)

    @property
    def used(self) -> NDArray[np.intp]:
        """The slots in use, in no particular order."""
        return np.flatnonzero(self._in_use)

    def release(self, history: History) -> NDArray[np.intp]:
        """Free the slots of proposals that are no longer pending; the freed slots."""
        keys, self._resolved = history.resolved[self._resolved :], len(history.resolved)
        gone = [self._slots.pop(key) for key in keys if key in self._slots]
        self._free.extend(gone)
        self._in_use[gone] = False
        return np.array(gone, dtype=np.intp)

    def take(self, history: History) -> NDArray[np.intp]:
        """Give slots to the proposals that had none; the new slots."""
        new = self._new(history)
        if not new:
            return np.zeros(0, dtype=np.intp)
        X = self._features(np.array([one.row for one in new]))
        while len(self._free) < len(new):
            self._widen(X)
        slots = [self._free.pop() for _ in new]
        self._slots.update(zip((one.row.tobytes() for one in new), slots, strict=True))
        self._in_use[slots] = True
        self.X[slots] = X
        self.ordinals[slots] = [one.ordinal for one in new]
        self.means[slots] = [np.nan if one.mean is None else one.mean for one in new]
        return np.array(slots, dtype=np.intp)

    def _new(self, history: History) -> list[Pending]:
        """Pending proposals made since the last call; the work does not grow with all that are pending."""
        new = list(takewhile(lambda one: one.ordinal > self._newest, reversed(history.pending.values())))
        self._newest = history.next_ordinal - 1
        return new

    def _widen(self, like: NDArray[Any]) -> None:
        old = self.size
        size = max(2 * old, FIRST_SLOTS)
        self._free.extend(range(old, size))
        X = np.zeros((size, like.shape[1]), dtype=like.dtype)
        if old:
            X[:old] = self.X
        self.X = X
        self.ordinals = np.resize(self.ordinals, size)
        self.means = np.resize(self.means, size)
        self._in_use = np.concatenate([self._in_use, np.zeros(size - old, dtype=np.bool_)])
