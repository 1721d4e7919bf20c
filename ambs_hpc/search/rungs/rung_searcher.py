"""A searcher that also learns from evaluations that are paused or still running, by their values on rungs.

Its models read a history of their own: first what was known at a checkpoint of the results on rungs, with
estimates of what is not complete, then what has ended since. The checkpoints lie at fixed numbers of results
on rungs, so that this history is a function of the rows alone, and the models are grown anew only there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from ambs_hpc.records import Configuration, Observation, Proposal
from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.history import Draft, History
from ambs_hpc.search.protocol import RungValue, SearchSpec, Strategy
from ambs_hpc.search.rungs.rung_estimates import Curve, by_quantiles
from ambs_hpc.search.searcher import HistorySearcher

BEST_SHARE = 3  # one in so many on a rung may still run on
NEWS_SHARE, NEWS = 0.1, 4  # new results on rungs, of those before, after which the models are grown anew
Estimates = Callable[[Mapping[bytes, Curve], int], dict[bytes, float | None]]


def rung_searcher(spec: SearchSpec, strategy: Strategy) -> HistorySearcher:
    """A searcher by the strategy; where the problem has a fidelity, one that learns from rungs."""
    given = spec.encoding, strategy, spec.direction, spec.starting_points
    return HistorySearcher(*given) if spec.maximum_step is None else RungSearcher(*given, spec.maximum_step)


class _Proposed(NamedTuple):
    row: Floats
    mean: float | None


class RungSearcher(HistorySearcher):
    """A searcher of a campaign with a fidelity."""

    def __init__(
        self,
        encoding: Encoding,
        strategy: Strategy,
        direction: str,
        starting_points: Iterable[Configuration],
        maximum: int,
        estimates: Estimates = by_quantiles,
    ) -> None:
        """`maximum`: the step at which evaluations are complete."""
        super().__init__(encoding, strategy, direction, starting_points)
        self._maximum, self._estimates = maximum, estimates
        self._rows: dict[bytes, Floats] = {}  # of what has reached a rung
        self._results: list[tuple[bytes, int, float]] = []  # (row, step, value), in the order told
        self._proposed: list[_Proposed | None] = []
        self._discarded: list[Floats] = []
        self._read: History | None = None
        self._state = (0, 0)  # of what `_read` was made: results on rungs, generation of the history
        self._block: dict[bytes, float | None] = {}  # what it begins with
        self._followed = 0  # observations of the history that it has

    def tell_rungs(self, values: Sequence[RungValue]) -> None:
        """Learn values on rungs, in this order."""
        for one in values:
            row = self._told_row(one.configuration)
            value = self._internal(Observation(one.configuration, one.value))
            self._rows[row.tobytes()] = row
            self._results.append((row.tobytes(), one.step, value))

    def restore(self, proposals: Sequence[Proposal | None], observations: Sequence[Observation]) -> None:
        """As without rungs; their values are told afterwards."""
        super().restore(proposals, observations)
        self._proposed = []
        for one in proposals:
            if one is None:
                self._proposed.append(None)
            else:
                mean = None if one.mean is None else self._sign * one.mean
                self._proposed.append(_Proposed(self._encoding.encode(one.configuration), mean))
        self._read = None

    def discard(self, configurations: Iterable[Configuration]) -> None:
        """As without rungs."""
        rows = [self._told_row(one) for one in configurations]
        self._discarded += rows
        self._history.discard(rows)
        if self._read is not None:
            self._read.discard(rows)

    def _take(self, draft: Draft) -> None:
        super()._take(draft)
        self._proposed.append(_Proposed(draft.row, draft.mean))
        if self._read is not None:
            self._read.propose(draft.row, draft.mean)

    @property
    def _learned(self) -> History:
        """The history that the strategy reads."""
        state = (checkpoint(len(self._results)), self._history.generation)
        if not state[0]:
            return self._history
        if self._read is None or state != self._state:
            self._begin(state)
        self._follow()
        assert self._read is not None
        return self._read

    def _begin(self, state: tuple[int, int]) -> None:
        """Make the history anew, up to the block of what is known of rungs."""
        before = 0 if self._read is None else self._read.generation
        read = History(self._encoding.dimensions)
        read.generation = min(before, 0) - 1  # another one than that of any history before it
        for one in self._proposed:
            if one is None:
                read.pass_over()
            else:
                read.propose(one.row, one.mean)
        read.discard(self._discarded)
        curves: dict[bytes, dict[int, float]] = {}
        for key, step, value in self._results[: state[0]]:
            curves[key] = {**curves.pop(key, {}), step: value}  # in the order of the latest
        self._block = self._estimates(curves, self._maximum)
        for key, estimate in self._block.items():
            if estimate is not None:
                read.observe(self._rows[key], estimate)
        read.discard([self._rows[key] for key in _left_behind(curves) if self._block.get(key) is None])
        read.made_with = read.count
        self._read, self._state, self._followed = read, state, 0

    def _follow(self) -> None:
        """Add what has ended, but for what the block has."""
        read, history = self._read, self._history
        assert read is not None
        for place in range(self._followed, history.count):
            row, value = history.rows[place], float(history.objectives[place])
            if math.isnan(value) or self._block.get(row.tobytes()) != value:
                # Beside its estimate until the next checkpoint: to replace one would grow all models anew.
                read.append(row.copy(), value)
            else:
                read.discard([row.copy()])
        self._followed = history.count


def _left_behind(curves: Mapping[bytes, Curve]) -> list[bytes]:
    """Those of which no result is to be expected: on their last rung most others are better.

    Were they pending, hundreds of lies would stand where the search has been, and it would wait for them.
    """
    on_rung: dict[int, list[float]] = {}
    for curve in curves.values():
        for step, value in curve.items():
            on_rung.setdefault(step, []).append(value)
    ranked = {step: sorted(values) for step, values in on_rung.items()}
    return [
        key
        for key, curve in curves.items()
        for step in [max(curve)]
        if curve[step] > ranked[step][(len(ranked[step]) - 1) // BEST_SHARE]
    ]


def checkpoint(count: int) -> int:
    """The last number, up to `count`, of results on rungs at which models are grown anew."""
    at = 0
    while True:
        following = at + max(NEWS, math.ceil(NEWS_SHARE * at))
        if following > count:
            return at
        at = following
