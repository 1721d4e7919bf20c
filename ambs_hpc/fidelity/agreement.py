"""How far the order on a rung is the order at the end, and what share runs on where it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ambs_hpc.fidelity.fidelity_range import Fidelity
from ambs_hpc.fidelity.rules import as_number, rule_of

# Of each rung, the values of all that have reached it, by the evaluations' ids; the last one is the end.
Standings = Sequence[Mapping[int, float | None]]

LEAST_PAIRS = 5  # before a rung is judged
GOOD, NONE = 0.4, 0.1  # agreement from which on 1/eta is enough, and below which all run on
MOST_PAIRS = 200  # the newest ones: a judgement costs their square


def keep_shares(fidelity: Fidelity, standings: Standings, numbers: Mapping[int, int]) -> tuple[float, ...]:
    """What share of those on each rung runs on: 1/eta, more where the rung says little of the end, up to 1.

    Judged by evaluations that ran to the end whatever their rungs said: among those that were chosen by a
    rung its order says less than it does among all.

    Args:
        standings: values on each rung, minimised, None or NaN where it failed.
        numbers: ordinals by ids, of those that `first_rung` exempts at least.
    """
    rule, last = rule_of(fidelity), len(standings) - 1
    ends = {
        one: as_number(value)
        for one, value in standings[-1].items()
        if one in numbers and rule.first_rung(numbers[one]) == last
    }
    return tuple(_share(fidelity.eta, on_rung, ends) for on_rung in standings)


def agreement(pairs: Sequence[tuple[float, float]]) -> float:
    """Kendall's tau (b) of two orders, in [-1, 1]; 0 where one of them is no order."""
    score = first = second = 0
    for place, (a, b) in enumerate(pairs):
        for c, d in pairs[:place]:
            one, other = (a > c) - (a < c), (b > d) - (b < d)
            score += one * other
            first += one != 0
            second += other != 0
    return float(score / (first * second) ** 0.5) if first and second else 0.0


def _share(eta: int, on_rung: Mapping[int, float | None], ends: Mapping[int, float]) -> float:
    both = [(as_number(on_rung[one]), end) for one, end in ends.items() if one in on_rung][-MOST_PAIRS:]
    if len(both) < LEAST_PAIRS:
        return 1 / eta
    lack = (GOOD - agreement(both)) / (GOOD - NONE)
    return 1 / eta + (1 - 1 / eta) * min(1.0, max(0.0, lack))
