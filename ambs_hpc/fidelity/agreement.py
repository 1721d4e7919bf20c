"""How far the order on a rung is the order at the end, and what share runs on where it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ambs_hpc.fidelity.fidelity_range import Fidelity
from ambs_hpc.fidelity.rules import as_number, rule_of

# Of each rung, the values of all that have reached it, by the evaluations' ids; the last one is the end.
Standings = Sequence[Mapping[int, float | None]]

LEAST_PAIRS = 8  # that ran to the end whatever their rungs said, before a rung is judged by them
# Agreement from which on 1/eta is enough, and up to which all run on: one that says the opposite of the end
# keeps the wrong ones.
AGAINST, ENOUGH = 0.0, 0.25
MOST_PAIRS = 200  # the newest of them: a judgement costs their square
# Near the best a rung may say nothing any more. Those that went on were chosen by it, so that its order says
# less of them than of all.
NEWEST_PAIRS, LEAST_NEWEST = 30, 12
NOTHING_AMONG_CHOSEN, ENOUGH_AMONG_CHOSEN = 0.0, 0.15


def keep_shares(fidelity: Fidelity, standings: Standings, numbers: Mapping[int, int]) -> tuple[float, ...]:
    """What share of those on each rung runs on: 1/eta, more where the rung says little of the end, up to 1.

    Judged twice: by evaluations that ran to the end whatever their rungs said, and by the newest of all
    that did.

    Args:
        standings: values on each rung, minimised, None or NaN where it failed, in the order of their coming.
        numbers: ordinals by ids, of those that `first_rung` exempts at least.
    """
    rule, last = rule_of(fidelity), len(standings) - 1
    ends = {
        one: as_number(value)
        for one, value in standings[-1].items()
        if one in numbers and rule.first_rung(numbers[one]) == last
    }
    newest = {one: as_number(value) for one, value in list(standings[-1].items())[-NEWEST_PAIRS:]}
    lacks = [
        max(
            _lack(on_rung, ends, LEAST_PAIRS, (AGAINST, ENOUGH)),
            _lack(on_rung, newest, LEAST_NEWEST, (NOTHING_AMONG_CHOSEN, ENOUGH_AMONG_CHOSEN)),
        )
        for on_rung in standings
    ]
    return tuple(1 / fidelity.eta + (1 - 1 / fidelity.eta) * lack for lack in lacks)


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


def _lack(
    on_rung: Mapping[int, float | None], ends: Mapping[int, float], least: int, between: tuple[float, float]
) -> float:
    """How far agreement is missing, in [0, 1]; 0 where too few are known."""
    both = [(as_number(on_rung[one]), end) for one, end in ends.items() if one in on_rung][-MOST_PAIRS:]
    none, enough = between
    return min(1.0, max(0.0, (enough - agreement(both)) / (enough - none))) if len(both) >= least else 0.0
