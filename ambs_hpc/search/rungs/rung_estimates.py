"""What evaluations that are not complete would have come to, from their values on rungs."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias, TypeVar

import numpy as np

from ambs_hpc.fidelity import agreement
from ambs_hpc.search.constraints import Floats

LEAST_PAIRS = 4  # with a value on both of two rungs, before one is expressed by the other
LEAST_JUDGED = 8  # before their order is believed
NEWEST_PAIRS = 60  # that are looked at for that
TRUSTED = 0.5  # agreement of a rung with the top from which on a value there is an estimate

Key = TypeVar("Key", bound=Hashable)
Curve: TypeAlias = Mapping[int, float]  # values by steps, to be minimised


def by_quantiles(curves: Mapping[Key, Curve], maximum: int) -> tuple[int, dict[Key, float | None]]:
    """Values of all evaluations on the highest rung of which enough is known.

    One that has not reached it gets, rung by rung, the value of the same quantile among those that have a
    value on both: a stopped evaluation is a censored observation, of which its rank is known. It counts only
    where the order on its rung is much like that at the top among the newest, which near the best it seldom
    is: estimates that are a little wrong hide what the complete ones tell.

    Args:
        curves: of evaluations that have reached a rung, in the order in which they did.
        maximum: the step at which evaluations are complete.

    Returns:
        The rung, by its step, and the values there, None where unknown; {} before any rung has enough.
    """
    steps = sorted({step for curve in curves.values() for step in curve})
    counts = {step: sum(step in curve for curve in curves.values()) for step in steps}
    enough = [step for step in steps if counts[step] >= LEAST_PAIRS]
    if not enough:
        return maximum, {}
    top = enough[-1]
    ladder = [step for step in steps if step <= top]
    moves = {low: _Move(curves, low, high) for low, high in pairwise(ladder)}
    trusted = {low for low in ladder[:-1] if _agreed(curves, low, top) >= TRUSTED} | {top}
    return top, {key: _lifted(curve, ladder, moves, trusted) for key, curve in curves.items()}


def _lifted(
    curve: Curve, ladder: Sequence[int], moves: Mapping[int, _Move], trusted: Collection[int]
) -> float | None:
    """The value at the top of the ladder."""
    known = [place for place, step in enumerate(ladder) if step in curve]
    if not known or ladder[known[-1]] not in trusted:
        return None
    value = curve[ladder[known[-1]]]
    for step in ladder[known[-1] : -1]:
        if not moves[step].is_known:
            return None
        value = moves[step].of(value)
    return value


def _agreed(curves: Mapping[Key, Curve], low: int, top: int) -> float:
    """The agreement of two rungs among the newest; none while few are known."""
    both = [(curve[low], curve[top]) for curve in curves.values() if low in curve and top in curve]
    return agreement(both[-NEWEST_PAIRS:]) if len(both) >= LEAST_JUDGED else 0.0


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
