"""A source is trusted as far as it puts the results in their order, and luck is no evidence."""

from __future__ import annotations

import numpy as np
import pytest

from ambs_hpc.search.transfer.rank_weights import rank_weights

TARGETS = np.linspace(-1.0, 1.0, 12)
NOTHING = np.zeros(12)  # a model that knows no order


def weights(*sources: np.ndarray, own: np.ndarray = NOTHING, targets: np.ndarray = TARGETS) -> list[float]:
    found = rank_weights(np.array(sources), own, targets, np.random.default_rng(0))
    return [float(one) for one in found]


def test_a_source_that_knows_the_order_has_all_the_weight() -> None:
    """Only the order counts: another unit, or another slope, is the same source."""
    assert weights(np.exp(3.0 * TARGETS), -TARGETS) == [1.0, 0.0]


def test_an_adversary_has_none() -> None:
    """The results speak against it from the first on."""
    assert weights(-TARGETS, NOTHING) == [0.0, 0.0]


def test_sources_of_the_same_order_share_the_weight() -> None:
    """Neither is better."""
    assert weights(TARGETS, TARGETS) == [0.5, 0.5]


def test_the_model_of_the_results_wins_ties() -> None:
    """What the search knows by itself needs no other problem."""
    assert weights(TARGETS, own=TARGETS) == [0.0]


def test_many_unrelated_sources_do_not_add_up() -> None:
    """By luck one of a hundred is the best in every sample, so each must beat the model by itself."""
    rng = np.random.default_rng(1)
    own = TARGETS + 0.6 * rng.standard_normal(12)
    unrelated = rng.standard_normal((100, 12))
    assert sum(weights(*unrelated, own=own)) < 0.15


@pytest.mark.parametrize("number", [4, 10, 40])
def test_luck_is_rarely_trusted(number: int) -> None:
    """With four results as with forty, an unrelated source gets little on average."""
    rng = np.random.default_rng(number)
    sums = [
        rank_weights(
            rng.standard_normal((1, number)), np.zeros(number), rng.standard_normal(number), rng
        ).sum()
        for _ in range(200)
    ]
    assert float(np.mean(sums)) < 0.25


def test_equal_results_say_nothing() -> None:
    """Where all results are alike there is no order to agree with."""
    assert weights(TARGETS, targets=NOTHING) == [0.0]
