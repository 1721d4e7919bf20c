"""The lies that are in the forest: where each lies and with what value, so that it can be taken out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.search.leaf_tables import LeafTables, Places
from ambs_hpc.search.structure import Floats

FIRST_SLOTS = 64


class Lies:
    """One slot per pending proposal, one row per tree.

    Attributes:
        X: (slots, f) features.
        means: (slots,) what was predicted, in objective units, NaN without a model.
        places, values: (trees, slots) leaf and lied value.
    """

    def __init__(self, trees: int, features: int) -> None:
        self._trees = trees
        self._slots: dict[bytes, int] = {}
        self._free: list[int] = []
        self.X = np.zeros((0, features), dtype=np.float32)
        self.means: Floats = np.zeros(0)
        self.places: Places = np.zeros((trees, 0), dtype=np.intp)
        self.values: Floats = np.zeros((trees, 0))

    def __contains__(self, key: bytes) -> bool:
        return key in self._slots

    @property
    def used(self) -> Places:
        """The slots that hold a lie."""
        return np.fromiter(self._slots.values(), dtype=np.intp, count=len(self._slots))

    def missing_from(self, keys: object) -> list[bytes]:
        """Lies whose proposal is not among `keys` (a set or the keys of a dict)."""
        return list(self._slots.keys() - keys)  # type: ignore[operator]  # any set-like view will do

    def add(self, keys: list[bytes], X: NDArray[np.float32], means: Floats) -> Places:
        """The slots taken for new lies; their places and values are still to be set."""
        while len(self._free) < len(keys):
            self._widen()
        slots = [self._free.pop() for _ in keys]
        self._slots.update(zip(keys, slots, strict=True))
        self.X[slots], self.means[slots] = X, means
        return np.array(slots, dtype=np.intp)

    def remove(self, keys: list[bytes], tables: LeafTables) -> None:
        """Take lies out of all trees and free their slots."""
        slots = [self._slots.pop(key) for key in keys]
        self._free.extend(slots)
        tables.lie(self.places[:, slots].ravel(), self.values[:, slots].ravel(), -1.0)

    def _widen(self) -> None:
        slots = len(self.means)
        more = max(slots, FIRST_SLOTS)
        self._free.extend(range(slots, slots + more))
        self.X = np.concatenate([self.X, np.zeros((more, self.X.shape[1]), dtype=np.float32)])
        self.means = np.concatenate([self.means, np.zeros(more)])
        self.places = np.concatenate([self.places, np.zeros((self._trees, more), dtype=np.intp)], axis=1)
        self.values = np.concatenate([self.values, np.zeros((self._trees, more))], axis=1)
