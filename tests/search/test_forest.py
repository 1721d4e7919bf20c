"""The open forest: exact in-place leaves, fixed timetable, believable predictions."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ambs_hpc.problem.space import build_space
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.forest import Forest, Growth, Timetable
from ambs_hpc.search.history import History
from tests.search.spaces import PLAIN, plain_objective

GROWTH = Growth("extra", 6, 1, 0.1, 200, "rank", "believer", 10)


def encoding() -> Encoding:
    return Encoding(build_space(PLAIN))


def rows(count: int, seed: int = 0) -> np.ndarray:
    space = encoding()
    return space.from_uniform(np.random.default_rng(seed).random((count, space.dimensions)))


def told(count: int, failing: float = 0.0) -> History:
    space, history, rng = encoding(), History(5), np.random.default_rng(1)
    for row in rows(count):
        failed = rng.random() < failing
        history.observe(row, np.nan if failed else plain_objective(space.configuration(row)))
    return history


def grown(history: History, **changes: object) -> Forest:
    forest = Forest(dataclasses.replace(GROWTH, **changes), encoding(), seed=3)
    forest.update(history)
    forest.update_lies(history)
    return forest


def predictions(forest: Forest) -> np.ndarray:
    return np.array(forest.predict(forest.places(rows(200, seed=9))))


def test_there_is_no_forest_before_enough_was_seen() -> None:
    """Ten evaluations that have ended, failures among them, but two with a value."""
    assert not grown(told(9)).is_grown
    assert grown(told(10)).is_grown
    history = told(1)
    for row in rows(12, seed=5):
        history.observe(row, np.nan)
    assert not grown(history).is_grown
    history.observe(rows(1, seed=6)[0], 1.0)
    assert grown(history).is_grown


@pytest.mark.parametrize("tree", ["extra", "random"])
def test_predictions_follow_the_objective(tree: str) -> None:
    """On configurations that were not told."""
    space, forest = encoding(), grown(told(400), tree=tree)
    V = rows(200, seed=9)
    mean, std = forest.predict(forest.places(V))
    truth = np.array([plain_objective(space.configuration(row)) for row in V])
    assert np.corrcoef(mean, forest.scale.forward(truth))[0, 1] > 0.8
    assert (std >= 0).all()
    assert std.max() > 0


def test_the_order_of_changes_leaves_no_trace() -> None:
    """Sums in leaves are exact, so a restart and a straight run agree to the last bit."""
    space, V = encoding(), rows(60, seed=4)
    whole, stepwise = told(300), History(5)
    forest = Forest(GROWTH, space, seed=3)
    for row, objective in zip(whole.rows, whole.objectives, strict=True):
        stepwise.observe(row, objective)
        forest.update(stepwise)
        if stepwise.count % 7 == 0 and forest.is_grown:
            stepwise.discard(V[:20])
            for extra in V[stepwise.count % 13 : 20]:
                stepwise.propose(extra, 0.1)
            forest.update_lies(stepwise)
    stepwise.discard(V)
    forest.update_lies(stepwise)
    for row in V:
        whole.propose(row, 0.37)
        stepwise.propose(row, 0.37)
    forest.update_lies(stepwise)
    np.testing.assert_array_equal(predictions(forest), predictions(grown(whole)))


def test_a_lie_lowers_the_uncertainty_where_it_lies() -> None:
    """That is what keeps simultaneous proposals apart."""
    history, row = told(100), rows(1, seed=9)
    forest = grown(history)
    mean, before = forest.predict(forest.places(row))
    for _ in range(5):
        history.propose(row[0], float(forest.scale.backward(mean)[0]))
    forest.update_lies(history)
    after_mean, after = forest.predict(forest.places(row))
    assert after[0] < before[0]
    assert abs(after_mean[0] - mean[0]) < 0.5 * before[0]


@pytest.mark.parametrize(("lie", "sign"), [("cl_min", -1.0), ("cl_max", 1.0)])
def test_constant_lies_pull_the_mean_their_way(lie: str, sign: float) -> None:
    """The best value attracts, the worst repels."""
    history = told(100)
    middle = history.rows[[int(np.argsort(history.objectives)[50])]]
    before, _ = grown(history, lie=lie).predict(grown(history).places(middle))
    history.propose(middle[0], None)
    forest = grown(history, lie=lie)
    after, _ = forest.predict(forest.places(middle))
    assert sign * (after[0] - before[0]) > 0.1


def test_a_lie_leaves_with_its_proposal() -> None:
    """A cancelled evaluation must not be remembered as a value."""
    history = told(100)
    forest = grown(history)
    before = predictions(forest)
    for row in rows(70, seed=8):
        history.propose(row, -5.0)
    forest.update_lies(history)
    assert not np.array_equal(predictions(forest), before)
    history.discard(rows(70, seed=8))
    forest.update_lies(history)
    np.testing.assert_array_equal(predictions(forest), before)


def test_failures_are_learned_where_they_happen() -> None:
    """A failing region is known by its failures, and by nothing else."""
    space, history = encoding(), History(5)
    for row in rows(300):
        x = space.configuration(row)["x"]
        history.observe(row, np.nan if float(x) > 0.7 else plain_objective(space.configuration(row)))
    V = rows(300, seed=9)
    rates = grown(history).failure_rate(V)
    failing = V[:, space.names.index("x")] > 0.7
    assert rates[failing].mean() > 0.8
    assert rates[~failing].mean() < 0.2


def test_training_rows_are_bounded_but_leaves_count_all() -> None:
    """The cost of a tree must not grow with the campaign."""
    forest = grown(told(500), training_rows=50)
    assert all(tree.nodes.n_node_samples[0] == 50 for tree in forest._trees)
    assert forest._tables._tables[0].sum() == 500 * GROWTH.trees


def test_the_timetable_renews_all_trees_in_turn() -> None:
    """About a tenth more observations, and every tree is new."""
    timetable = Timetable(4, 0.1)
    timetable.start(1000)
    assert timetable.due(1000) == [1000] * 4
    assert timetable.due(1060) == [1025, 1051, 1000, 1000]
    assert min(timetable.due(1110)) > 1000
