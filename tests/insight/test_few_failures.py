"""What a search that avoids failures leaves to be seen: few of them, and half of the cause well mixed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float, Integer

from ambs_hpc.insight.evaluation_columns import evaluation_columns
from ambs_hpc.insight.failure_rules import FailureRule, failure_rules, suspicion, words_of
from ambs_hpc.insight.remedies import remedy_of_rule
from ambs_hpc.insight.rule_words import rule_lines, suspicion_line
from ambs_hpc.problem.space import build_space, space_to_json
from ambs_hpc.records import Configuration, Value
from ambs_hpc.search.encoding import Encoding


def pipeline() -> ConfigurationSpace:
    space = ConfigurationSpace(seed=1)
    kernel, gamma = Categorical("kernel", ["rbf", "linear"]), Float("gamma", (1e-5, 1.0), log=True)
    space.add(
        Categorical("scaler", ["standard", "minmax", "none"]),
        Categorical("score", ["f_classif", "mutual_info", "chi2"]),
        Integer("k", (2, 30)),
        Categorical("deep", [True, False]),
        kernel,
        Float("C", (0.01, 1000.0), log=True),
        gamma,
    )
    space.add(EqualsCondition(gamma, kernel, "rbf"))
    return space


ENCODING = Encoding(build_space(pipeline()))
STORED = space_to_json(build_space(pipeline()))


def drawn(number: int, seed: int = 3, **fixed: Value) -> list[Configuration]:
    """Configurations that have these values and are random in all others."""
    rng, found = np.random.default_rng(seed), list[Configuration]()
    while len(found) < number:
        one = ENCODING.configuration(ENCODING.from_uniform(rng.random((1, ENCODING.dimensions)))[0])
        if all(one.get(name) == value for name, value in fixed.items()):
            found.append(one)
    return found


def told(
    failures: list[Configuration], successes: list[Configuration]
) -> tuple[list[FailureRule], FailureRule | None]:
    rows = [*failures, *successes]
    columns = evaluation_columns(STORED, rows, [""] * len(rows))
    failed = np.arange(len(rows)) < len(failures)
    rules = failure_rules(columns, failed)
    return rules, None if rules else suspicion(columns, failed)


def avoided(number: int) -> list[Configuration]:
    """What a search tries that has learned where failures live."""
    return drawn(number, 4, scaler="minmax", kernel="rbf")


def test_half_of_a_cause_is_completed() -> None:
    """4 of 5 with one value failed: the other half is told, and only both together are left out."""
    failures = drawn(4, scaler="standard", score="chi2")
    (rule,), _ = told(failures, [*avoided(51), *drawn(1, scaler="standard", score="f_classif")])
    assert words_of(rule.exact or rule.conditions) == "scaler = standard and score = chi2"
    command = "ambs space net --forbid scaler=standard,score=chi2 --dry-run"
    assert remedy_of_rule(rule, STORED, "net") == command
    told_more = "all 4 of these failures, none of the 1 that succeeded there"
    lines = list(rule_lines(rule, "ERROR", command))
    assert f"  perhaps more exactly: and score = chi2: {told_more}" in lines


def test_the_parents_choice_is_told_not_what_follows_from_it() -> None:
    """That gamma is inactive is no cause: kernel = linear is, and a command can forbid it."""
    failures = drawn(8, scaler="none", kernel="linear")
    successes = [
        *avoided(40),
        *drawn(4, scaler="none", kernel="rbf"),
        *drawn(5, scaler="minmax", kernel="linear"),
    ]
    (rule,), _ = told(failures, successes)
    assert rule.words == "kernel = linear and scaler = none"
    command = "ambs space net --forbid kernel=linear,scaler=none --dry-run"
    assert remedy_of_rule(rule, STORED, "net") == command


def test_too_few_failures_are_a_suspicion_with_its_counts() -> None:
    """What is visible by eye is said, and that it is not sure; nothing is left out for it."""
    failures = drawn(4, scaler="none", kernel="linear")
    others = [one for one in drawn(40) if (one["scaler"], one["kernel"]) != ("none", "linear")]
    rules, seen = told(failures, others[:23])
    assert rules == []
    assert seen is not None
    assert seen.words == "kernel = linear and scaler = none"
    line = suspicion_line(seen, 23)
    assert line.startswith(
        "too few to be sure: all 4 have kernel = linear and scaler = none, and none of the 23 successes has "
    )
    assert 0.01 < seen.p_value < 0.1
    for chance, words in ((0.28, "28%"), (0.052, "5%"), (0.0003, "0.03%")):
        assert f"(chance has such in {words} of all cases" in suspicion_line(
            replace(seen, p_value=chance), 23
        )


def test_chance_is_no_suspicion() -> None:
    """Of forty campaigns whose failures have no cause in common, hardly one is told of any."""
    seen = 0
    for seed in range(40):
        rows = drawn(40, seed)
        rules, suspected = told(rows[:4], rows[4:])
        assert rules == []
        seen += suspected is not None
    assert seen <= 4


def test_a_rule_that_costs_successes_has_no_command_or_counts_them() -> None:
    """Following two commands of half-true rules left one choice of three."""
    often = [*drawn(8, score="chi2"), *drawn(4, 5, score="chi2")]
    (rule,), _ = told(often[:8], [*often[8:], *drawn(40, score="f_classif")])
    assert (rule.words, rule.failed, rule.inside) == ("score = chi2", 8, 12)
    assert rule.exact or remedy_of_rule(rule, STORED, "net") is None
    nearly = drawn(31, score="chi2")
    (rule,), _ = told(nearly[:30], [nearly[30], *drawn(40, score="f_classif")])
    command = remedy_of_rule(rule, STORED, "net")
    assert (rule.inside, command) == (
        31,
        "ambs space net --narrow score=f_classif,mutual_info --dry-run",
    )
    lines = list(rule_lines(rule, "ERROR", command))
    assert lines[-1] == f"  to leave these out, 1 that succeeded among them: {command}"


def test_a_bound_is_where_nothing_was_tried() -> None:
    """The best may lie just below: nothing but what failed is left out."""
    rows = drawn(60)
    for place, one in enumerate(rows):
        one["C"] = 200.0 + place if place < 12 else 1.0 + place  # type: ignore[index]  # ours, as dicts
    (rule,), _ = told(rows[:12], rows[12:])
    assert rule.words == "C >= 100"
    assert rule.conditions[0].untried == (60.0, 200.0)
    command = remedy_of_rule(rule, STORED, "net")
    assert command == "ambs space net --narrow C=0.01..199 --dry-run"
    lines = list(rule_lines(rule, "ERROR", command))
    assert "  between C 60 and 200 nothing was tried: the bound is there" in lines


def test_truth_values_are_written_as_the_command_reads_them() -> None:
    """`deep=True` is no value of the space on a command line; `deep=true` is."""
    (rule,), _ = told(drawn(20, deep=True), drawn(20, deep=False))
    assert remedy_of_rule(rule, STORED, "net") == "ambs space net --narrow deep=false --dry-run"
