"""A row of features for every pending proposal, kept up as proposals come and go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.search.ledger import Pending
from ambs_hpc.search.structure import Floats

FIRST_SLOTS = 64
Features = Callable[[Floats], NDArray[Any]]  # V (n, d) -> (n, f)


class Slots:
    """Pending proposals by slot: a place in the arrays here and in those that others keep beside.

    Attributes:
        X: (size, f) features.
        ordinals: (size,) of the proposals.
        means: (size,) what was predicted, in objective units, NaN without a model.
    """

    def __init__(self, features: Features) -> None:
        self._features = features
        self._slots: dict[bytes, int] = {}
        self._free: list[int] = []
        self.X: NDArray[Any] = np.zeros((0, 0))
        self.ordinals: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
        self.means: Floats = np.zeros(0)

    @property
    def size(self) -> int:
        """Slots there are, used or free."""
        return len(self.ordinals)

    @property
    def used(self) -> NDArray[np.intp]:
        """The slots in use, in no particular order."""
        return np.fromiter(self._slots.values(), dtype=np.intp, count=len(self._slots))

    def release(self, pending: Mapping[bytes, Pending]) -> NDArray[np.intp]:
        """Free the slots of proposals that are no longer pending, and name them."""
        gone = [self._slots.pop(key) for key in self._slots.keys() - pending.keys()]
        self._free.extend(gone)
        return np.array(gone, dtype=np.intp)

    def take(self, pending: Mapping[bytes, Pending]) -> NDArray[np.intp]:
        """The slots given to proposals that had none."""
        keys = list(pending.keys() - self._slots.keys())
        if not keys:
            return np.zeros(0, dtype=np.intp)
        new = [pending[key] for key in keys]
        X = self._features(np.array([one.row for one in new]))
        while len(self._free) < len(new):
            self._widen(X)
        slots = [self._free.pop() for _ in new]
        self._slots.update(zip(keys, slots, strict=True))
        self.X[slots] = X
        self.ordinals[slots] = [one.ordinal for one in new]
        self.means[slots] = [np.nan if one.mean is None else one.mean for one in new]
        return np.array(slots, dtype=np.intp)

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
