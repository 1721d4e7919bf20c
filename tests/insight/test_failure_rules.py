"""Planted causes are found, with the numbers that speak for them, and none is found where there is none."""

from __future__ import annotations

import time

import numpy as np
import pytest
from numpy.typing import NDArray

from ambs_hpc.insight.contingency import log_p_value
from ambs_hpc.insight.evaluation_columns import evaluation_columns
from ambs_hpc.insight.failure_rules import FailureRule, failure_rules
from ambs_hpc.problem.space import build_space, space_to_json
from ambs_hpc.records import Configuration
from ambs_hpc.search.encoding import Encoding

SPACE = {
    "batch_size": [32, 64, 128, 256, 512, 1024],
    "layers": (1, 12),
    "lr": (1e-5, 1.0, "log"),
    "optimizer": ["sgd", "adam", "rmsprop"],
    "dropout": (0.0, 0.5),
}


def sampled(number: int, seed: int = 5) -> list[Configuration]:
    encoding = Encoding(build_space(SPACE))
    V = encoding.from_uniform(np.random.default_rng(seed).random((number, encoding.dimensions)))
    return [encoding.configuration(row) for row in V]


def rules(
    configurations: list[Configuration], failed: NDArray[np.bool_], nodes: list[str] | None = None
) -> list[FailureRule]:
    stored = space_to_json(build_space(SPACE))
    columns = evaluation_columns(stored, configurations, nodes or [""] * len(configurations))
    return failure_rules(columns, failed)


def cause(one: Configuration) -> str:
    """Three causes, as a campaign has them: what fails for the first reason never shows the others."""
    if one["batch_size"] >= 512 and one["layers"] > 6:
        return "memory"
    if one["lr"] > 0.1:
        return "diverged"
    if one["optimizer"] == "rmsprop" and one["dropout"] >= 0.4:
        return "mix"
    return ""


def test_three_planted_causes_are_found() -> None:
    """Each in the words in which a person would have said it, and nothing else beside it."""
    configurations = sampled(400)
    causes = np.array([cause(one) for one in configurations])
    found = {}
    for name in ("memory", "diverged", "mix"):
        kept = np.flatnonzero((causes == name) | (causes == ""))
        found[name] = rules([configurations[i] for i in kept], causes[kept] == name)
    assert [one.words for one in found["memory"]] == ["batch_size >= 512 and layers >= 7"]
    (diverged,) = found["diverged"]
    assert [(one.name, one.relation) for one in diverged.conditions] == [("lr", ">=")]
    assert diverged.conditions[0].value == pytest.approx(0.1, rel=0.2)
    (mix,) = found["mix"]
    assert [(one.name, one.relation) for one in mix.conditions] == [("dropout", ">="), ("optimizer", "=")]
    assert mix.conditions[0].value == pytest.approx(0.4, abs=0.02)
    for (rule,) in found.values():
        assert (rule.precision, rule.recall) == (1.0, 1.0)
        assert rule.p_value < 1e-9
        assert rule.held_out_precision is not None
        assert rule.held_out_precision > 0.9
        assert rule.held_out_recall is not None
        assert rule.held_out_recall > 0.8


def test_no_rule_is_told_where_there_is_none() -> None:
    """Twenty campaigns with failures by chance: a rule for one of them would send a person the wrong way."""
    for seed in range(20):
        configurations = sampled(120, seed)
        failed = np.random.default_rng([seed, 1]).random(120) < 0.2
        assert rules(configurations, failed) == []


def test_a_rule_with_exceptions_says_how_many() -> None:
    """Memory also depends on the data: some pass where most fail, and a few fail elsewhere."""
    rng = np.random.default_rng(2)
    configurations = sampled(400)
    large = np.array([one["batch_size"] >= 512 for one in configurations])
    failed = np.where(large, rng.random(400) < 0.9, rng.random(400) < 0.02)
    rule = rules(configurations, failed)[0]
    assert rule.words == "batch_size >= 512"
    assert (rule.failed, rule.inside) == (int((failed & large).sum()), int(large.sum()))
    assert (rule.all_failed, rule.compared) == (int(failed.sum()), 400)
    assert 0.8 < rule.precision < 1.0
    assert 0.8 < rule.recall < 1.0


def test_one_signature_may_have_two_causes() -> None:
    """A second rule for what the first one leaves, with the numbers of all failures."""
    configurations = sampled(500)
    failed = np.array([one["layers"] >= 11 or one["optimizer"] == "sgd" for one in configurations])
    found = rules(configurations, failed)
    assert {one.words for one in found} == {"optimizer = sgd", "layers >= 11"}
    assert all(one.precision == 1.0 and one.recall < 1.0 for one in found)
    assert found[0].recall > found[1].recall


def test_a_bad_node_is_a_cause_too() -> None:
    """What fails on one node whatever the configuration is not the configuration's doing."""
    configurations = sampled(100)
    nodes = [f"n{i % 5}" for i in range(100)]
    failed = np.array([node == "n3" for node in nodes])
    assert [one.words for one in rules(configurations, failed, nodes)] == ["node = n3"]


def test_two_failures_and_failures_of_all_have_no_rule() -> None:
    """There is nothing to compare them with."""
    configurations = sampled(50)
    assert rules(configurations, np.arange(50) < 2) == []
    assert rules(configurations, np.ones(50, dtype=np.bool_)) == []
    assert rules([], np.zeros(0, dtype=np.bool_)) == []


def test_p_values_are_those_of_fishers_exact_test() -> None:
    """They decide what is told."""
    from scipy.stats import fisher_exact

    for failed, inside, all_failed, number in ((3, 4, 5, 20), (40, 41, 60, 200), (1, 1, 1, 9)):
        table = [
            [failed, inside - failed],
            [all_failed - failed, number - inside - all_failed + failed],
        ]
        expected = fisher_exact(table, alternative="greater").pvalue
        assert np.exp(log_p_value(failed, inside, all_failed, number)) == pytest.approx(expected)
    assert log_p_value(0, 3, 5, 20) == 0.0


def test_many_nodes_do_not_make_the_answer_slow() -> None:
    """A thousand nodes are two thousand conditions, and all pairs of these would be millions."""
    configurations = sampled(1500)
    nodes = [f"n{i % 1000}" for i in range(1500)]
    failed = np.array([one["lr"] > 0.1 for one in configurations])
    began = time.process_time()
    (rule,) = rules(configurations, failed, nodes)
    assert time.process_time() - began < 8.0
    assert [one.name for one in rule.conditions] == ["lr"]


def test_a_few_failures_of_one_choice_are_enough() -> None:
    """What a choice among three explains does not pay for the thresholds of the numbers beside it."""
    configurations = sampled(40)
    for place, one in enumerate(configurations):
        one["optimizer"] = "sgd" if place < 5 else "adam"  # type: ignore[index]  # ours, as dicts
    (rule,) = rules(configurations, np.arange(40) < 5)
    assert rule.words in ("optimizer = sgd", "optimizer != adam")
