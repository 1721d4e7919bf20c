"""What further results may bring, by the tail of the recent ones; a rough bound, no promise. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEAST_RESULTS = 30
NEWEST_SHARE = 0.5  # of the results, the newest, are taken for what the next will be like
TAIL_SHARE = 0.2  # of those, the best, from which the tail is estimated
SURE = 0.95


@dataclass(frozen=True, slots=True)
class RecordOutlook:
    """What `further` results may bring. Objectives are in the user's units.

    Args:
        best: so far.
        expected: the mean of the best after them, which is never worse than now.
        bound: passed by the best after them with a chance of 5 % at most, the estimate's error counted.
        chance: of any new best, in [0, 1].
        compared: results that it was estimated from.
        passes_zero: the bound lies beyond zero, which none of all results has passed: errors, times and sizes
            cannot, and their tail does not know.
    """

    further: int
    best: float
    expected: float
    bound: float
    chance: float
    compared: int
    passes_zero: bool = False


def record_outlook(objectives: Sequence[float], further: int, *, minimise: bool) -> RecordOutlook | None:
    """Extrapolate the tail of recent results; None for fewer than LEAST_RESULTS, or without any spread.

    The distances of the best of the newest results from the worst of these are taken for an exponential
    distribution: the heaviest of the tails that a quantity with an end has. So the bound is rather too wide
    than too narrow, as long as further results are like the newest ones.

    Args:
        objectives: of results, oldest first, finite.
        further: how many more there will be, >= 1.
        minimise: whether lower ones are better.

    Source: Pickands (1975), "Statistical inference using extreme order statistics", Annals of Statistics 3;
        Coles (2001), "An introduction to statistical modeling of extreme values", chapter 4.
    """
    if further < 1:
        raise ValueError(f"further {further}: at least 1")
    if len(objectives) < LEAST_RESULTS:
        return None
    sign = -1.0 if minimise else 1.0
    values = [sign * one for one in objectives]  # higher is better from here on
    recent = values[-max(LEAST_RESULTS, round(NEWEST_SHARE * len(values))) :]
    number = max(5, round(TAIL_SHARE * len(recent)))
    ranked = sorted(recent, reverse=True)
    threshold = ranked[number]
    scale = sum(one - threshold for one in ranked[:number]) / number
    if not scale > 0.0:
        return None
    best, rate = max(values), number / len(recent)
    widest = scale * 2 * number / chi_square_quantile(1.0 - SURE, 2 * number)
    # P(best of n > y) = 1 - (1 - rate exp(-(y - threshold) / scale))^n, solved for y at 1 - SURE.
    each = -math.expm1(math.log(SURE) / further)
    bound = max(best, threshold + widest * math.log(max(1.0, rate / each)))
    chance = _passing(best, threshold, scale, rate, further)
    return RecordOutlook(
        further,
        sign * best,
        sign * (best + _expected_gain(best, threshold, scale, rate, further)),
        sign * bound,
        chance,
        len(recent),
        passes_zero=max(values) <= 0.0 < bound,
    )


def _passing(y: float, threshold: float, scale: float, rate: float, further: int) -> float:
    """The chance that the best of `further` passes y, which lies above the threshold."""
    one = min(1.0, rate * math.exp(-max(0.0, y - threshold) / scale))
    return 1.0 if one >= 1.0 else -math.expm1(further * math.log1p(-one))


def _expected_gain(best: float, threshold: float, scale: float, rate: float, further: int) -> float:
    """The integral of the chance over everything above the best, by the trapezoidal rule."""
    steps, width = 400, 0.1 * scale  # to 40 scales beyond: the chance is nothing there
    chances = [_passing(best + step * width, threshold, scale, rate, further) for step in range(steps + 1)]
    return width * (sum(chances) - 0.5 * (chances[0] + chances[-1]))


def chi_square_quantile(p: float, degrees: int) -> float:
    """The quantile of a chi-square distribution with at least ten degrees of freedom, within 1 %.

    Source: Wilson and Hilferty (1931), "The distribution of chi-square", PNAS 17.
    """
    from statistics import NormalDist

    part = 2.0 / (9.0 * degrees)
    return float(degrees * (1.0 - part + NormalDist().inv_cdf(p) * math.sqrt(part)) ** 3)
