"""Rungs that say nothing of the end pause nobody."""

from __future__ import annotations

import math

import pytest

from ambs_hpc.fidelity import Fidelity, agreement, keep_shares
from ambs_hpc.fidelity.agreement import FIRST_PAIRS

FIDELITY = Fidelity("epochs", 1, 9)  # rungs 1, 3, 9


def test_agreement_is_that_of_two_orders() -> None:
    """From 1, the same, to -1, turned round; one that is no order agrees with none."""
    assert agreement([(1, 10), (2, 20), (3, 30)]) == 1
    assert agreement([(1, 30), (2, 20), (3, 10)]) == -1
    assert agreement([(1, 10), (2, 30), (3, 20)]) == pytest.approx(1 / 3)
    assert agreement([(1, 10), (1, 20)]) == agreement([]) == 0


def test_a_rung_is_judged_by_what_came_to_the_end() -> None:
    """Step 1 has the order of the end, step 3 the opposite: nobody pauses there, once four are known."""
    first, last = {one: float(one) for one in range(4)}, {one: one / 2 for one in range(4)}
    turned = {one: -float(one) for one in range(4)}
    assert keep_shares(FIDELITY, [first, turned, last]) == (1 / 3, 1, 1 / 3)
    one_less = {one: value for one, value in last.items() if one}
    assert keep_shares(FIDELITY, [first, turned, one_less]) == (1 / 3,) * 3


def test_a_rung_that_says_nothing_near_the_best_pauses_nobody_there() -> None:
    """What it said of all does not matter to those that are proposed late in a search."""
    early = {one: float(one) for one in range(FIRST_PAIRS)}
    late = {one: -float(one) for one in range(20, 60)}
    low, ends = {one: float(one) for one in [*early, *late]}, {**early, **late}
    assert keep_shares(FIDELITY, [low, low, ends]) == (1, 1, 1 / 3)


def test_those_that_failed_are_behind_all_others() -> None:
    """They count in the judgement of a rung as they do on it."""
    low = {one: float(one) for one in range(FIRST_PAIRS)}
    ends = {**low, FIRST_PAIRS - 2: None, FIRST_PAIRS - 1: math.nan}
    assert keep_shares(FIDELITY, [low, low, ends]) == (1 / 3,) * 3
