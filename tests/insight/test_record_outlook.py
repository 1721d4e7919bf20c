"""The bound on what further results may bring holds where further results are like the last ones."""

from __future__ import annotations

import random

import pytest

from ambs_hpc.insight.record_outlook import LEAST_RESULTS, chi_square_quantile, record_outlook

DRAWS = {
    "with an end": lambda dice: dice.random() ** 2,
    "without an end": lambda dice: dice.gauss(0.0, 1.0),
    "exponential": lambda dice: -dice.expovariate(1.0),
}


@pytest.mark.parametrize("kind", DRAWS)
def test_the_bound_is_rarely_passed(kind: str) -> None:
    """At most one in twenty times, and the mean is near what comes; both directions alike."""
    dice, draw = random.Random(7), DRAWS[kind]
    passed, gained, expected = 0, 0.0, 0.0
    for _ in range(300):
        results = [draw(dice) for _ in range(120)]
        outlook = record_outlook(results, 200, minimise=True)
        assert outlook is not None
        mirrored = record_outlook([-one for one in results], 200, minimise=False)
        assert mirrored is not None
        assert (mirrored.bound, mirrored.expected) == (-outlook.bound, -outlook.expected)
        assert outlook.bound <= outlook.expected + 1e-12 or outlook.chance < 0.05
        assert outlook.expected <= outlook.best == min(results)
        after = min(*results, *(draw(dice) for _ in range(200)))
        passed += after < outlook.bound
        gained += outlook.best - after
        expected += outlook.best - outlook.expected
    assert passed <= 15
    assert expected > 0.5 * gained


def test_a_bound_beyond_zero_is_known_as_such() -> None:
    """An error rate of -0.42 was told of."""
    dice = random.Random(3)
    errors = [0.01 + dice.random() for _ in range(60)]
    for sign, minimise in ((1.0, True), (-1.0, False)):
        far = record_outlook([sign * one for one in errors], 600, minimise=minimise)
        assert far is not None
        assert far.passes_zero
    shifted = record_outlook([one - 0.5 for one in errors], 600, minimise=True)
    assert shifted is not None
    assert not shifted.passes_zero


def test_few_or_equal_results_say_nothing() -> None:
    """A tail needs some results, and some spread."""
    assert record_outlook([1.0] * (LEAST_RESULTS - 1), 10, minimise=True) is None
    assert record_outlook([1.0] * 100, 10, minimise=True) is None
    with pytest.raises(ValueError, match="at least 1"):
        record_outlook([1.0] * 100, 0, minimise=True)


def test_the_quantile_is_near_the_exact_one() -> None:
    """Against scipy's, for the numbers of results that occur."""
    from scipy.stats import chi2

    for degrees in (10, 24, 200, 4000):
        assert chi_square_quantile(0.05, degrees) == pytest.approx(float(chi2.ppf(0.05, degrees)), rel=0.01)
