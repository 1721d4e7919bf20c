"""The knowledge of a search: observations in the order told, pending proposals by ordinal, known rows."""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.search.constraints import Floats

FIRST_CAPACITY = 256
EXACT_COUNT = 500  # observations up to which a replaced one leaves no trace at once
STALE_SHARE = 0.02  # of the observations, beyond them, that may be replaced before the models learn anew


@dataclass(frozen=True, slots=True)
class Pending:
    """A proposal without a result: its row of V, and the value that was predicted, to be minimised."""

    ordinal: int
    row: Floats
    mean: float | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A row of V that a strategy chose, and why; values are to be minimised, in the objective's units.

    Args:
        kind, mean, std, acquisition: as in `records.Proposal`.
    """

    row: Floats
    kind: str
    mean: float | None = None
    std: float | None = None
    acquisition: float | None = None


class History:
    """Rows and objectives so far; objectives are to be minimised, NaN where the evaluation failed.

    The models read it and are pure functions of it. `generation` changes when observations were removed:
    whatever was learned before must then be learned again, which takes a second with 20 000 of them. In a
    long history a replaced observation therefore stays in place until there are enough of its kind;
    it is at once no longer among the best. Until then a search that was restarted, which has learned anew,
    proposes other points than one that was not.
    """

    def __init__(self, dimensions: int, measured: int = 0) -> None:
        """`measured`: numbers that an observation has beside its objective."""
        self._measures = np.zeros((FIRST_CAPACITY, measured))
        self._rows = np.zeros((FIRST_CAPACITY, dimensions))
        self._objectives = np.zeros(FIRST_CAPACITY)
        self._observed: dict[bytes, int] = {}
        self._stale: set[int] = set()  # places of observations that were replaced
        self._ranking: list[tuple[float, int]] = []  # (objective, place), successes only, best first
        self.count = 0
        self.made_with = 0  # observations that it had when it was first read: they have no past
        self.generation = 0
        self.next_ordinal = 0
        self.pending: dict[bytes, Pending] = {}  # in the order proposed
        self.resolved: list[bytes] = []  # what is no longer pending, in the order in which that happened
        self.known: set[bytes] = set()

    @property
    def rows(self) -> Floats:
        """(count, d) values of the observations in the order told."""
        return self._rows[: self.count]

    @property
    def objectives(self) -> Floats:
        """(count,) objectives in the order told."""
        return self._objectives[: self.count]

    @property
    def measures(self) -> Floats:
        """(count, measured) further numbers of the observations in the order told, NaN where missing."""
        return self._measures[: self.count]

    @property
    def current_objectives(self) -> Floats:
        """(count,) objectives in the order told, NaN also where they were replaced."""
        current = self.objectives.copy()
        current[list(self._stale)] = np.nan
        return current

    @property
    def successes(self) -> int:
        """Observations that carry an objective."""
        return len(self._ranking)

    @property
    def failures(self) -> int:
        """Observations that failed."""
        return self.count - len(self._stale) - len(self._ranking)

    @property
    def current(self) -> list[int]:
        """Places of the observations that were not replaced, in the order told."""
        return [place for place in range(self.count) if place not in self._stale]

    def best(self, count: int) -> NDArray[np.intp]:
        """Places of the `count` best successes, best first, older first among equals."""
        return np.array([place for _, place in self._ranking[:count]], dtype=np.intp)

    def ranked(self) -> Floats:
        """(successes,) objectives, best first."""
        return np.array([objective for objective, _ in self._ranking])

    def propose(self, row: Floats, mean: float | None) -> None:
        """Take the next ordinal for `row`, which becomes known and pending."""
        key = row.tobytes()
        self.pending.pop(key, None)  # a configuration that is tried again is the newest
        self.pending[key] = Pending(self.next_ordinal, row, mean)
        self.known.add(key)
        self.next_ordinal += 1

    def pass_over(self) -> None:
        """The next ordinal belongs to a proposal that does not count."""
        self.next_ordinal += 1

    def observe(self, row: Floats, objective: float, measures: Floats | None = None) -> None:
        """Append an observation; it replaces an earlier one of the same row."""
        self.forget([row.tobytes()])
        self.append(row, objective, measures)

    def append(self, row: Floats, objective: float, measures: Floats | None = None) -> None:
        """Append an observation beside any earlier ones of the same row."""
        key = row.tobytes()
        self._resolve(key)
        if self.count == len(self._objectives):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
            self._objectives = np.concatenate([self._objectives, np.zeros_like(self._objectives)])
            self._measures = np.concatenate([self._measures, np.zeros_like(self._measures)])
        self._rows[self.count], self._objectives[self.count] = row, objective
        self._measures[self.count] = np.nan if measures is None else measures
        self._observed[key] = self.count
        if np.isfinite(objective):
            bisect.insort(self._ranking, (objective, self.count))
        self.count += 1

    def discard(self, rows: Iterable[Floats]) -> None:
        """The rows are no longer pending, but still known."""
        for row in rows:
            self._resolve(row.tobytes())

    def _resolve(self, key: bytes) -> None:
        if self.pending.pop(key, None) is not None:
            self.resolved.append(key)
        self.known.add(key)

    def has_success(self, row: Floats) -> bool:
        """Whether the row has an objective."""
        place = self._observed.get(row.tobytes())
        return place is not None and bool(np.isfinite(self._objectives[place]))

    def forget(self, keys: Iterable[bytes]) -> None:
        """Remove observations as if they had never been told; the order of the others stays.

        Costs O(observations) at most, whatever the number of keys, and nothing when none of them is known.
        """
        places = [self._observed.pop(key) for key in set(keys) & self._observed.keys()]
        if not places:
            return
        had_successes = bool(self._ranking)
        for place in places:
            if np.isfinite(self._objectives[place]):
                del self._ranking[bisect.bisect_left(self._ranking, (self._objectives[place], place))]
        self._stale.update(places)
        has_lost_all = had_successes and not self._ranking  # models of values need one
        if has_lost_all or self.count <= EXACT_COUNT or len(self._stale) > STALE_SHARE * self.count:
            self._remove_stale()

    def _remove_stale(self) -> None:
        keep = np.ones(self.count, dtype=bool)
        keep[list(self._stale)] = False
        shifted = np.cumsum(keep) - 1  # the new place of each that stays
        left = int(keep.sum())
        self._rows[:left], self._objectives[:left] = self.rows[keep], self.objectives[keep]
        self._measures[:left] = self.measures[keep]
        self._observed = {key: int(shifted[place]) for key, place in self._observed.items()}
        self._ranking = [(value, int(shifted[place])) for value, place in self._ranking]
        self._stale.clear()
        self.count = left
        self.generation += 1
