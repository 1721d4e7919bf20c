"""Fronts and volumes, by their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from ambs_hpc.problem.goals import Constraint, Goals
from ambs_hpc.search.history import History
from ambs_hpc.search.objectives.growing_volume import GrowingVolume
from ambs_hpc.search.objectives.measures import Front, Measures, dominated, hypervolume
from ambs_hpc.search.objectives.scalarisation import DominatedVolume, draw_weights, tchebycheff

BOUNDED = Goals({"a": "minimize", "b": "maximize"}, (Constraint("t", "<", 1.0),))


@pytest.mark.parametrize("m", [1, 2, 3])
@pytest.mark.parametrize("n", [0, 60, 200])
def test_dominated_is_its_definition(m: int, n: int) -> None:
    """At least as good everywhere and better somewhere; equals do not dominate each other."""
    Y = np.random.default_rng(0).integers(0, 6 if n < 100 else 30, (n, m)).astype(float)
    by_definition = [any((other <= one).all() and (other < one).any() for other in Y) for one in Y]
    assert dominated(Y).tolist() == by_definition


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_hypervolume_is_a_share_of_points(m: int) -> None:
    """Against counting: the share of random points that some cost dominates."""
    rng = np.random.default_rng(m)
    Y, reference = rng.random((12, m)), np.full(m, 0.9)
    points = rng.random((200_000, m)) * 0.9
    hit = (Y[:, None, :] <= points[None, :, :]).all(axis=2).any(axis=0).mean() * 0.9**m
    assert hypervolume(Y, reference) == pytest.approx(hit, abs=0.005)
    assert hypervolume(Y + 1.0, reference) == 0.0


def test_a_growing_volume_is_that_of_what_has_come() -> None:
    """Each is that of all results so far; failures and what lies beyond the reference add none."""
    Y, reference = np.random.default_rng(3).random((40, 2)), np.array([0.9, 0.8])
    Y[5] = np.nan
    growing = GrowingVolume(Y, reference)
    known = np.where(np.isnan(Y), 1.0, Y)
    exact = [hypervolume(known[: k + 1], reference) for k in range(40)]
    assert growing.so_far() == pytest.approx(exact)
    most = 0.95 * exact[-1]
    place = growing.first_reaching(most)
    assert place is not None and exact[place] >= most > exact[place - 1]
    assert growing.first_reaching(1.1 * exact[-1]) is None
    assert GrowingVolume(Y[:0], reference).final == 0.0


def test_volume_gains_rank_as_the_exact_ones_do() -> None:
    """The estimate chooses proposals; what is dominated gains next to nothing."""
    rng = np.random.default_rng(1)
    front, reference = np.array([[0.1, 0.8], [0.4, 0.4], [0.9, 0.05]]), np.array([1.0, 1.0])
    volume = DominatedVolume(rng, reference, np.zeros(2))
    volume.include(front)
    T = rng.random((40, 2))
    exact = [hypervolume(np.vstack([front, one]), reference) - hypervolume(front, reference) for one in T]
    gains = volume.gain(T)
    assert np.corrcoef(exact, gains)[0, 1] > 0.9
    assert gains[np.array(exact) == 0.0].max() < gains[np.array(exact) > 0.05].min()


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_volume_gains_are_means_over_directions(m: int) -> None:
    """By the formula: the length up to which each direction is dominated, to the power m."""
    volume = DominatedVolume(np.random.default_rng(2), np.ones(m), np.zeros(m))
    volume.include(np.full((1, m), 0.5))
    T = np.concatenate([np.random.default_rng(3).random((40, m)), np.full((1, m), 0.6)])
    lengths, reached = volume._lengths(T), volume._lengths(np.full((1, m), 0.5))
    added = np.maximum(np.maximum(lengths, 0.0) ** m - reached**m, 0.0).mean(axis=1)
    share = 1e-4 * np.exp(np.minimum((lengths - reached).mean(axis=1), 0.0))
    assert volume.gain(T) == pytest.approx(added + share, rel=1e-12)
    assert added[-1] == 0.0  # what is dominated


def test_weights_lie_on_the_simplex_and_prefer_what_they_weigh() -> None:
    """A scalarisation is one choice between objectives."""
    weights = draw_weights(np.random.default_rng(0), 3)
    assert weights.sum() == pytest.approx(1.0)
    first, second = tchebycheff(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0.9, 0.1]))
    assert first < second


def test_the_front_holds_what_is_feasible_and_undominated_in_any_order() -> None:
    """A replaced, infeasible or unknown observation is never on it."""
    measures, history = Measures(BOUNDED), History(1, 3)
    told = [(1.0, 5.0, 0.5), (2.0, 9.0, 0.5), (0.5, 1.0, 1.0), (0.5, 1.0, np.nan), (3.0, 4.0, 0.0)]
    front = Front(measures)
    for place, (a, b, t) in enumerate(told):
        history.observe(np.array([float(place)]), a, np.array([a, -b, t]))
        front.update(history)
    assert sorted(front.places) == [0, 1]
    history.observe(np.array([1.0]), 1.0, np.array([1.0, -9.0, 0.5]))  # the second one, again
    front.update(history)
    assert [history.measures[place].tolist() for place in front.places] == [[1.0, -9.0, 0.5]]
