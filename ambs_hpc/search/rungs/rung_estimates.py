"""What evaluations that are not complete would have come to, from their values on rungs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias, TypeVar

import numpy as np

from ambs_hpc.fidelity import agreement
from ambs_hpc.search.constraints import Floats

LEAST_PAIRS = 4  # with a value on both of two rungs, before one is expressed by the other
LEAST_JUDGED = 8  # before their order is believed to be none
MOST_PAIRS = 100  # the newest that are looked at for that

Key = TypeVar("Key", bound=Hashable)
Curve: TypeAlias = Mapping[int, float]  # values by steps, to be minimised


def by_quantiles(curves: Mapping[Key, Curve], maximum: int) -> tuple[int, dict[Key, float | None]]:
    """Values of all evaluations on the highest rung of which enough is known.

    One that has not reached it gets, rung by rung, the value of the same quantile among those that have a
    value on both: a stopped evaluation is a censored observation, of which its rank is known. None where the
    order on its rung is not that of the rung above.

    Args:
        curves: of evaluations that have reached a rung.
        maximum: the step at which evaluations are complete.

    Returns:
        The rung, by its step, and the values there; {} before enough is known of any rung.
    """
    steps = sorted({step for curve in curves.values() for step in curve})
    counts = {step: sum(step in curve for curve in curves.values()) for step in steps}
    enough = [step for step in steps if counts[step] >= LEAST_PAIRS]
    if not enough:
        return maximum, {}
    top = enough[-1]
    ladder = [step for step in steps if step <= top]
    moves: dict[int, Callable[[float], float | None]] = {
        low: _transport(curves, low, high) for low, high in pairwise(ladder)
    }
    return top, {key: _lifted(curve, ladder, moves) for key, curve in curves.items()}


def _lifted(
    curve: Curve, ladder: Sequence[int], moves: Mapping[int, Callable[[float], float | None]]
) -> float | None:
    """The value at the top of the ladder."""
    known = [place for place, step in enumerate(ladder) if step in curve]
    if not known:
        return None
    value: float | None = curve[ladder[known[-1]]]
    for step in ladder[known[-1] : -1]:
        value = None if value is None else moves[step](value)
    return value


def _transport(curves: Mapping[Key, Curve], low: int, high: int) -> Callable[[float], float | None]:
    """From values at a step to those of the same quantile at a higher one."""
    both = [(curve[low], curve[high]) for curve in curves.values() if low in curve and high in curve]
    if len(both) < LEAST_PAIRS:
        return lambda value: None
    if len(both) >= LEAST_JUDGED and agreement(both[-MOST_PAIRS:]) <= 0:
        return lambda value: None
    a, b = (np.sort(np.array(one)) for one in zip(*both, strict=True))
    distinct, first = np.unique(a, return_index=True)
    b = np.add.reduceat(b, first) / np.diff(np.append(first, len(b)))
    rise = float(b[-1] - b[0]) / (float(distinct[-1] - distinct[0]) or 1.0)
    return lambda value: _interpolated(value, distinct, b, rise)


def _interpolated(value: float, a: Floats, b: Floats, rise: float) -> float:
    """Beyond the ends along the mean slope."""
    beyond = min(0.0, value - float(a[0])) + max(0.0, value - float(a[-1]))
    return float(np.interp(value, a, b)) + rise * beyond
