"""What a search knows, when evaluations that had ended run again."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ambs_hpc.search.history import History

told = st.lists(st.tuples(st.integers(0, 12), st.sampled_from([0.5, 1.5, 2.5, float("nan")])), max_size=40)


def known(pairs: list[tuple[int, float]]) -> History:
    history = History(1)
    for number, objective in pairs:
        history.observe(np.array([float(number)]), objective)
    return history


@given(told)
def test_an_observation_replaces_the_earlier_one_of_its_row(pairs: list[tuple[int, float]]) -> None:
    """As if the earlier one had never been told."""
    last = {number: place for place, (number, _) in enumerate(pairs)}
    kept = [pair for place, pair in enumerate(pairs) if last[pair[0]] == place]
    found, expected = known(pairs), known(kept)
    assert found.count == expected.count == len(kept)
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(found.objectives, expected.objectives)
    np.testing.assert_array_equal(found.best(5), expected.best(5))
    assert (found.successes, found.failures) == (expected.successes, expected.failures)


@given(told, st.sets(st.integers(0, 15)))
def test_many_are_forgotten_at_once(pairs: list[tuple[int, float]], numbers: set[int]) -> None:
    """A rerun of thousands costs one pass, not one each."""
    found = known(pairs)
    found.forget([np.array([float(number)]).tobytes() for number in numbers])
    last = {number: place for place, (number, _) in enumerate(pairs)}
    kept = [pair for place, pair in enumerate(pairs) if last[pair[0]] == place and pair[0] not in numbers]
    expected = known(kept)
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(found.objectives, expected.objectives)
    np.testing.assert_array_equal(found.best(5), expected.best(5))


def test_in_a_long_history_the_replaced_are_removed_together() -> None:
    """Each removal makes the models learn all again: a rerun of 2000 of 20 000 took a minute."""
    history = known([(number, float(number)) for number in range(5000)])
    generations = set()
    for number in range(500):
        key = np.array([float(number)]).tobytes()
        history.forget([key])
        history.observe(np.array([float(number)]), float("nan") if number % 2 else 10_000.0)
        generations.add(history.generation)
        assert history.rows[history.best(1)[0]] == number + 1  # at once
    assert len(generations) <= 7
    assert (history.successes, history.failures) == (4750, 250)
    rows = history.rows[history.current, 0]
    assert list(rows) == [*range(500, 5000), *range(500)]
