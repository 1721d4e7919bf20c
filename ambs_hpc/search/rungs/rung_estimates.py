"""What evaluations that are not complete would have come to, from their values on rungs."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias, TypeVar

import numpy as np

from ambs_hpc.fidelity import mistrust
from ambs_hpc.search.constraints import Floats

LEAST_PAIRS = 4  # with a value on both of two rungs, before one is expressed by the other
TRUSTED = 0.5  # mistrust of a rung up to which a value there is an estimate: as it decides who runs on

Key = TypeVar("Key", bound=Hashable)
Curve: TypeAlias = Mapping[int, float]  # values by steps, to be minimised


def by_quantiles(curves: Mapping[Key, Curve], maximum: int) -> dict[Key, float | None]:
    """Values of all evaluations at the end.

    One that has not reached it gets, rung by rung, the value of the same quantile among those that have a
    value on both: a stopped evaluation is a censored observation, of which its rank is known. It counts only
    where the order on its rung is that at the top, by the judgement that decides who runs on: near the best
    it seldom is, and estimates that are a little wrong hide what the complete ones tell. Nor before a few are
    complete: what is proposed for a lower rung alone is hardly ever good at the end where rungs mislead.

    Args:
        curves: of evaluations that have reached a rung, in the order in which they came to their latest.
        maximum: the step at which evaluations are complete.

    Returns:
        The values, None where unknown; {} before enough are complete.
    """
    ladder = sorted({step for curve in curves.values() for step in curve})
    if sum(maximum in curve for curve in curves.values()) < LEAST_PAIRS:
        return {}
    moves = {low: _Move(curves, low, high) for low, high in pairwise(ladder)}
    trusted = {low for low in ladder[:-1] if _mistrust(curves, low, maximum) <= TRUSTED} | {maximum}
    return {key: _lifted(curve, ladder, moves, trusted) for key, curve in curves.items()}


def _lifted(
    curve: Curve, ladder: Sequence[int], moves: Mapping[int, _Move], trusted: Collection[int]
) -> float | None:
    """The value at the top of the ladder."""
    latest = max(curve)
    if latest not in trusted:
        return None
    value = curve[latest]
    for step in ladder[ladder.index(latest) : -1]:
        if not moves[step].is_known:
            return None
        value = moves[step].of(value)
    return value


def _mistrust(curves: Mapping[Key, Curve], low: int, top: int) -> float:
    """Of one rung by another one above it."""
    on_low, on_top = (
        {key: curve[step] for key, curve in curves.items() if step in curve} for step in (low, top)
    )
    return mistrust(on_low, on_top)


class _Move:
    """From values at a step to those of the same quantile at a higher one."""

    def __init__(self, curves: Mapping[Key, Curve], low: int, high: int) -> None:
        both = [(curve[low], curve[high]) for curve in curves.values() if low in curve and high in curve]
        self.is_known = len(both) >= LEAST_PAIRS
        if self.is_known:
            a, b = (np.sort(np.array(one)) for one in zip(*both, strict=True))
            self._a, first = np.unique(a, return_index=True)
            self._b: Floats = np.add.reduceat(b, first) / np.diff(np.append(first, len(b)))
            self._rise = float(b[-1] - b[0]) / (float(a[-1] - a[0]) or 1.0)

    def of(self, value: float) -> float:
        """Beyond the ends along the mean slope."""
        beyond = min(0.0, value - float(self._a[0])) + max(0.0, value - float(self._a[-1]))
        return float(np.interp(value, self._a, self._b)) + self._rise * beyond
