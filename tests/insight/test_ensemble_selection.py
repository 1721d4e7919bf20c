"""An ensemble is chosen by what its members say together."""

from __future__ import annotations

import numpy as np
import pytest

from ambs_hpc.insight.ensemble_selection import select_ensemble
from ambs_hpc.insight.prediction_metrics import METRICS, accuracy, default_metric, log_loss, rmse

LABELS = np.array([1.0, 2.0, 3.0, 4.0])


def test_members_that_correct_each_other_are_chosen() -> None:
    """The two whose errors cancel, not the two that are best alone."""
    shared = np.array([0.5, 0.5, -0.5, -0.5])
    good, second, other = LABELS + shared, LABELS + 1.1 * shared, LABELS - 1.2 * shared
    chosen = select_ensemble([good, second, other], LABELS, METRICS["rmse"], 2)
    assert set(chosen.weights) == {0, 2}
    assert sum(chosen.weights.values()) == pytest.approx(1.0)
    assert chosen.score < 0.02


def test_a_member_may_be_chosen_again() -> None:
    """Weights are counts: with replacement."""
    chosen = select_ensemble([LABELS + 0.25, LABELS - 0.75], LABELS, METRICS["rmse"], 5)
    assert chosen.weights == {0: 0.75, 1: 0.25}
    assert chosen.rounds == 4


def test_no_more_members_than_asked_for() -> None:
    """Each is a model that has to be kept and run."""
    rng = np.random.default_rng(0)
    candidates = [LABELS + rng.normal(0.0, 1.0, 4) for _ in range(30)]
    sizes = [len(select_ensemble(candidates, LABELS, METRICS["rmse"], most).weights) for most in (1, 2, 5)]
    assert sizes[0] == 1
    assert sizes[1] <= 2
    assert 2 <= sizes[2] <= 5


@pytest.mark.parametrize("metric", ["log_loss", "accuracy"])
def test_it_is_never_worse_than_its_best_member(metric: str) -> None:
    """On the examples by which it is chosen; whichever way the metric goes."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 50)
    candidates = [rng.dirichlet(np.ones(3) + 3.0 * np.eye(3)[label], 1)[0] for label in labels for _ in "ab"]
    said = [np.array(candidates[start::2]) for start in (0, 1)]
    chosen = select_ensemble(said, labels, METRICS[metric], 2)
    alone = [METRICS[metric].score(one, labels) for one in said]
    assert chosen.score <= min(alone) if METRICS[metric].is_loss else chosen.score >= max(alone)


def test_metrics_mean_what_they_are_called() -> None:
    """Against numbers worked out by hand."""
    two = np.array([0.9, 0.4])
    assert log_loss(two, np.array([1, 1])) == pytest.approx(-(np.log(0.9) + np.log(0.4)) / 2)
    assert accuracy(two, np.array([1, 1])) == 0.5
    assert accuracy(np.array([[3.0, 1.0, 2.0]]), np.array([0])) == 1.0
    assert rmse(np.array([1.0, 3.0]), np.array([0.0, 0.0])) == pytest.approx(np.sqrt(5.0))
    assert log_loss(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(-np.log(1e-7))


def test_the_metric_is_guessed_by_the_arrays() -> None:
    """Probabilities of classes have a log loss; all else is a regression."""
    assert default_metric(np.array([[0.5, 0.5]]), np.array([1])) == "log_loss"
    assert default_metric(np.array([[0.5, 0.7]]), np.array([1])) == "rmse"
    assert default_metric(np.array([0.5]), np.array([0.4])) == "rmse"


OBSTACLES = [
    ("log_loss", np.array([[0.5, 0.6]]), np.array([0]), "row 0 sums to 1.1"),
    ("log_loss", np.array([[2.0, -1.0]]), np.array([0]), "go from -1 to 2"),
    ("accuracy", np.array([[0.5, 0.5]]), np.array([2]), "have the classes 0 to 1"),
    ("accuracy", np.array([[0.5, 0.5]]), np.array([0.0]), "labels are float64"),
    ("rmse", np.array([[0.5, 0.5]]), np.array([0.0]), "rmse needs one shape"),
]


@pytest.mark.parametrize(("metric", "said", "labels", "words"), OBSTACLES)
def test_what_a_metric_cannot_score_is_told(
    metric: str, said: np.ndarray, labels: np.ndarray, words: str
) -> None:
    """Instead of a number that means nothing."""
    assert words in METRICS[metric].obstacle(said, labels)
