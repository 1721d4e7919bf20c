"""How far the order on a rung is the order at the end, and what share runs on where it is not."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from ambs_hpc.fidelity.fidelity_range import Fidelity
from ambs_hpc.fidelity.rules import as_number

Key = TypeVar("Key", bound=Hashable)
# Of each rung, the values of all that have reached it, by the evaluations' ids; the last one is the end.
Standings = Sequence[Mapping[int, float | None]]

# Those that ran to the end first, by which a rung is judged: records on the rungs, and what was exempt from
# them, so that most of what there is to tell apart is among them.
LEAST_PAIRS, FIRST_PAIRS = 4, 12
# Agreement from which on 1/eta is enough, and up to which all run on: one that says the opposite of the end
# keeps the wrong ones.
AGAINST, ENOUGH = 0.0, 0.25
# Near the best a rung may say nothing any more. Those that went on were chosen by it, so that its order says
# less of them than of all.
NEWEST_PAIRS, LEAST_NEWEST = 30, 12
NOTHING_AMONG_CHOSEN, ENOUGH_AMONG_CHOSEN = 0.0, 0.15


def keep_shares(fidelity: Fidelity, standings: Standings) -> tuple[float, ...]:
    """What share of those on each rung runs on: 1/eta, more where the rung says little of the end, up to 1.

    Args:
        standings: values on each rung, minimised, None or NaN where it failed, in the order of their coming.
    """
    ends, least = standings[-1], 1 / fidelity.eta
    return tuple(least + (1 - least) * mistrust(on_rung, ends) for on_rung in standings)


def mistrust(on_rung: Mapping[Key, float | None], ends: Mapping[Key, float | None]) -> float:
    """How far the order on a rung is not that at the end, in [0, 1]; 0 where too few are known.

    Judged twice, by the first evaluations that came to the end and by the newest.

    Args:
        on_rung, ends: values by evaluations, these in the order of their coming.
    """
    known = [one for one in ends if one in on_rung]

    def lack(chosen: Sequence[Key], least: int, between: tuple[float, float]) -> float:
        pairs = [(as_number(on_rung[one]), as_number(ends[one])) for one in chosen]
        none, enough = between
        is_known = len(pairs) >= least
        return min(1.0, max(0.0, (enough - agreement(pairs)) / (enough - none))) if is_known else 0.0

    first = lack(known[:FIRST_PAIRS], LEAST_PAIRS, (AGAINST, ENOUGH))
    newest = lack(known[-NEWEST_PAIRS:], LEAST_NEWEST, (NOTHING_AMONG_CHOSEN, ENOUGH_AMONG_CHOSEN))
    return max(first, newest)


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
