"""Importance is right where it is known, agrees with Optuna's, and is quick on many results."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest
from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float

from ambs_hpc.errors import UsageError
from ambs_hpc.insight.functional_anova import LEAST_ROWS, Importance, importance_of
from ambs_hpc.problem.space import build_space, space_to_json
from ambs_hpc.records import Configuration
from ambs_hpc.search.encoding import Encoding


def sampled(space: object, number: int) -> tuple[dict[str, object], list[Configuration]]:
    built = build_space(space)
    encoding = Encoding(built)
    V = encoding.from_uniform(np.random.default_rng(3).random((number, encoding.dimensions)))
    return space_to_json(built), [encoding.configuration(row) for row in V]


def alone(found: Importance) -> dict[str, float]:
    return {one.names[0]: one.share for one in found.parameters}


def test_shares_are_those_of_a_known_function() -> None:
    """Of 3x + y the variances are 9 to 1, and what does nothing explains nothing."""
    space, configurations = sampled({"x": (0.0, 1.0), "y": (0.0, 1.0), "idle": (1e-5, 1.0, "log")}, 600)
    objectives = [3 * one["x"] + one["y"] for one in configurations]
    found = importance_of(space, configurations, objectives)
    assert [one.names for one in found.parameters] == [("x",), ("y",), ("idle",)]
    assert alone(found) == pytest.approx({"x": 0.9, "y": 0.1, "idle": 0.0}, abs=0.03)
    assert all(one.share < 0.03 for one in found.pairs)
    assert found.explained > 0.9


def test_interactions_are_told_from_what_parameters_do_alone() -> None:
    """Of the product ab each factor explains 3/7 alone, and both together 1/7 more."""
    space, configurations = sampled({"a": (0.0, 1.0), "b": (0.0, 1.0), "c": ["p", "q", "r"]}, 1000)
    objectives = [float(one["a"]) * float(one["b"]) for one in configurations]
    found = importance_of(space, configurations, objectives)
    assert alone(found) == pytest.approx({"a": 3 / 7, "b": 3 / 7, "c": 0.0}, abs=0.03)
    assert found.pairs[0].names == ("a", "b")
    assert found.pairs[0].share == pytest.approx(1 / 7, abs=0.03)
    assert all(former.share >= later.share for former, later in pairwise(found.pairs))


def test_being_inactive_is_a_matter_of_the_parent() -> None:
    """A momentum that is there only with sgd and does nothing must not look important because sgd is bad."""
    space = ConfigurationSpace()
    kind, momentum = Categorical("kind", ["sgd", "adam", "rmsprop"]), Float("momentum", (0.0, 1.0))
    space.add(kind, momentum, Float("idle", (0.0, 1.0)), EqualsCondition(momentum, kind, "sgd"))
    stored, configurations = sampled(space, 400)
    found = alone(
        importance_of(stored, configurations, [float(one["kind"] == "sgd") for one in configurations])
    )
    assert found["kind"] > 0.95
    assert found["momentum"] < 0.02
    # Where it does something, it is found although it is active in a third of them only.
    acting = [4.0 * float(one.get("momentum", 0.5)) for one in configurations]
    found = alone(importance_of(stored, configurations, acting))
    assert found["momentum"] == max(found.values())


def test_shares_agree_with_those_of_optuna() -> None:
    """The same data, another implementation of the same paper."""
    import optuna

    space, configurations = sampled(
        {"x": (-3.0, 3.0), "y": (0.0, 1.0), "n": (1, 9), "kind": ["a", "b", "c", "d"]}, 250
    )
    bonus = {"a": 0.0, "b": 1.0, "c": 2.0, "d": 6.0}
    objectives = [
        one["x"] ** 2 + 2 * one["y"] * one["x"] + 0.5 * one["n"] + bonus[one["kind"]]
        for one in configurations
    ]
    distributions: dict[str, optuna.distributions.BaseDistribution] = {
        "x": optuna.distributions.FloatDistribution(-3.0, 3.0),
        "y": optuna.distributions.FloatDistribution(0.0, 1.0),
        "n": optuna.distributions.IntDistribution(1, 9),
        "kind": optuna.distributions.CategoricalDistribution(["a", "b", "c", "d"]),
    }
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    study.add_trials(
        [
            optuna.trial.create_trial(params=dict(one), distributions=distributions, value=value)
            for one, value in zip(configurations, objectives, strict=True)
        ]
    )
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=16, seed=1)
    theirs = optuna.importance.get_param_importances(study, evaluator=evaluator, normalize=False)
    ours = alone(importance_of(space, configurations, objectives))
    # Optuna weighs the one-hot columns of a choice as if they were independent, which makes much of it.
    assert ours == pytest.approx(theirs, abs=0.08)
    assert list(ours) == list(theirs)
    assert ours == pytest.approx({"x": 0.565, "kind": 0.287, "n": 0.092, "y": 0.0}, abs=0.08)  # on paper


def test_many_results_take_less_than_a_second() -> None:
    """A person waits for it; what is sampled stands for the rest."""
    space, configurations = sampled({f"p{i}": (0.0, 1.0) for i in range(10)}, 2000)
    many = configurations * 50
    objectives = [float(one["p0"]) + 0.2 * float(one["p1"]) for one in many]
    importance_of(space, configurations[:20], objectives[:20])  # imports
    began = time.process_time()
    found = importance_of(space, many, objectives)
    assert time.process_time() - began < 1.0
    assert found.parameters[0].names == ("p0",)


def test_too_few_results_are_refused_and_equal_ones_explain_nothing() -> None:
    """Shares of three results would be read as if they meant something."""
    space, configurations = sampled({"x": (0.0, 1.0)}, LEAST_ROWS)
    with pytest.raises(UsageError, match="at least 10 results and there are 9"):
        importance_of(space, configurations[:-1], [1.0] * 9)
    found = importance_of(space, configurations, [1e200] * LEAST_ROWS)
    assert alone(found) == {"x": 0.0}
    assert np.isnan(found.explained)


def test_shares_are_the_same_each_time_and_of_huge_numbers() -> None:
    """Two people who compare what they see must see the same; a diverged loss must not become NaN."""
    space, configurations = sampled({"x": (0.0, 1.0), "y": (1, 64)}, 50)
    objectives = [1e300 * float(one["x"]) for one in configurations]
    first = importance_of(space, configurations, objectives)
    assert first == importance_of(space, configurations, objectives)
    assert first.parameters[0].share > 0.9
