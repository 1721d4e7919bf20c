"""Rules say who runs on from a rung, who pauses there, and who may go on later."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from ambs_hpc.fidelity import RULE_NAMES, Fidelity, Verdict, rule_of
from ambs_hpc.fidelity.rules import FULL_RUNS

ASHA = rule_of(Fidelity("epochs", 1, 81))
MEDIAN = rule_of(Fidelity("epochs", 1, 81, rule="median"))


def test_the_best_third_of_a_rung_runs_on() -> None:
    """That is what halving by three saves: two thirds cost no more than the rung."""
    others = [0.1, 0.2, 0.3, 0.4, 0.5, None, math.nan, 0.6]
    assert ASHA.keeps(2, others, 0.25) == Verdict(True, 3, 9, "3rd of 9 at step 9, of which 3 run on")
    assert ASHA.keeps(2, others, 0.35) == Verdict(False, 4, 9, "4th of 9 at step 9, of which 3 run on")


def test_ties_are_behind_those_that_came_first() -> None:
    """On a coarse metric everybody has the same value: all of them would run on."""
    assert not ASHA.keeps(0, [0.5, 0.5, 0.5], 0.5).keep


def test_the_best_of_few_runs_on() -> None:
    """A campaign of three evaluations has a complete one at its end."""
    assert ASHA.keeps(0, [], 0.7).keep
    assert ASHA.keeps(0, [0.7], 0.6).keep
    assert not ASHA.keeps(0, [0.7], 0.8).keep


@pytest.mark.parametrize("value", [None, math.nan])
def test_one_without_a_number_pauses(value: float | None) -> None:
    """It diverged; it is not the best of a rung because it is the first there."""
    assert ASHA.keeps(0, [], value) == Verdict(False, 1, 1, "no number at step 1")
    assert ASHA.promotable(0, {4: value}, [4]) == ()


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_nobody_pauses_at_the_end(rule: str) -> None:
    """The last rung is the complete evaluation: there is nowhere to go on to."""
    made = rule_of(Fidelity("epochs", 1, 81, rule=rule))
    assert made.keeps(4, [0.1] * 9, 0.9) == Verdict(True, 10, 10, "10th of 10 at step 81, the last")
    assert made.promotable(4, {1: 0.1}, [1]) == ()


def test_paused_ones_are_promotable_when_others_did_worse() -> None:
    """A rung grows, and the best third of it with it; what runs on already takes its place in the third."""
    standings = {1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4, 5: 0.5, 6: None}
    assert ASHA.promotable(0, standings, [2, 3, 4, 5, 6]) == (2,)
    assert ASHA.promotable(0, {**standings, 7: 0.7, 8: 0.8, 9: 0.9}, [3, 2, 4, 5]) == (2, 3)


def test_shares_loosen_a_rung() -> None:
    """Where a rung says nothing of the end, all run on that come; what paused before stays behind them."""
    loose = rule_of(Fidelity("epochs", 1, 9), [1.0, 0.5, 1.0])
    assert loose.keeps(0, [0.1, 0.2, 0.3], 0.4).keep
    assert loose.keeps(1, [0.1, 0.3, 0.4], 0.2).keep
    assert not loose.keeps(1, [0.1, 0.2, 0.4], 0.3).keep
    assert loose.promotable(0, {1: 0.4, 2: 0.3, 3: 0.2, 4: 0.1}, [1, 2, 3, 4]) == (4,)


def test_the_median_pauses_what_is_worse() -> None:
    """And nothing before there are enough for a median."""
    assert MEDIAN.keeps(1, [0.1, 0.2], 0.9) == Verdict(True, 3, 3, "3rd of 3 at step 3, too few for a median")
    assert MEDIAN.keeps(1, [0.1, 0.2, 0.3], 0.2).keep
    worse = MEDIAN.keeps(1, [0.1, 0.2, 0.3], 0.21)
    assert worse == Verdict(False, 3, 4, "3rd of 4 at step 3, worse than the median there")
    assert MEDIAN.promotable(1, {1: 0.21, 2: 0.1, 3: 0.2, 4: 0.3, 5: 0.4}, [1, 4]) == (1,)


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_the_first_evaluations_run_to_the_end(rule: str) -> None:
    """What rungs say of the end is not known before."""
    made = rule_of(Fidelity("epochs", 1, 81, rule=rule))
    assert {made.first_rung(number) for number in range(FULL_RUNS)} == {4}
    assert made.first_rung(-1) < 4  # one that a person added counts as any other


def test_brackets_begin_at_each_rung() -> None:
    """As many of each as give it the same number of steps, spread evenly; by an evaluation's number alone."""
    rule = rule_of(Fidelity("epochs", 1, 81, rule="hyperband"))
    numbers = range(143, 286)
    assert Counter(map(rule.first_rung, numbers)) == {0: 81, 1: 34, 2: 15, 3: 8, 4: 5}
    assert 35 <= sum(rule.first_rung(number) == 0 for number in numbers[:72]) <= 46
