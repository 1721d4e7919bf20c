"""Several objectives and constraints as a person states them."""

from __future__ import annotations

import re

import pytest

from ambs_hpc.errors import ProblemError, UsageError
from ambs_hpc.fidelity import Fidelity
from ambs_hpc.problem import Problem
from ambs_hpc.problem.goals import Constraint, Feasibility, goals_of

DIRECTION = {"accuracy": "maximize", "latency_ms": "minimize"}


def problem(**changes: object) -> Problem:
    return Problem(name="net", space={"x": (0.0, 1.0)}, objective="model:train", **changes)


def test_a_problem_keeps_its_objectives_and_constraints_as_json() -> None:
    """A search elsewhere rebuilds them from the row alone; one objective leaves the row as it was."""
    stated = problem(direction=DIRECTION, constraints={"latency_ms": "<= 20", "accuracy": [">= 0.5", "<1"]})
    stored = stated.to_json()
    assert (list(stored["direction"]), stated.first_direction) == (["accuracy", "latency_ms"], "maximize")
    assert goals_of(stored, "maximize") == stated.goals
    assert [one.words for one in stated.goals.constraints] == [
        "latency_ms <= 20",
        "accuracy >= 0.5",
        "accuracy < 1",
    ]
    assert "constraints" not in problem().to_json()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"direction": {}}, "direction: is {}. Name 1 to 6 objectives"),
        ({"direction": {"a": "up"}}, "direction['a']: is 'up'. Accepted: maximize, minimize"),
        ({"direction": {"a b": "minimize"}}, "a name in direction: is 'a b'"),
        (
            {"direction": {"a": "minimize", "objective": "minimize"}},
            "a name in direction: is 'objective'. The first",
        ),
        ({"direction": "upwards"}, "direction: is 'upwards'. Accepted: maximize, minimize"),
        ({"constraints": {"m": "20"}}, "constraints['m']: is '20'. Write a comparison and a number"),
        ({"constraints": {"m": "<= nan"}}, "constraints['m']: is '<= nan'"),
        ({"constraints": {"m": 20}}, "constraints['m']: is 20"),
        ({"constraints": {'"': "< 1"}}, "a name in constraints"),
        ({"constraints": "m < 1"}, "constraints: is 'm < 1'. Write {\"latency_ms\""),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_stored(changes: dict[str, object], told: str) -> None:
    """The field, what it holds and what is accepted."""
    with pytest.raises(ProblemError, match=re.escape(told)):
        problem(**changes)


def test_feasibility_says_what_is_broken_and_what_is_unknown() -> None:
    """A missing metric is no broken one, and a touched bound counts as it is stated."""
    goals = problem(constraints={"objective": "> 0", "t": ["<= 20", "< 20"], "m": "< 4"}).goals
    assert goals.feasibility(0.5, {"t": 10, "m": 1}) == Feasibility()
    touched = goals.feasibility(0.5, {"t": 20.0, "m": True})
    assert touched == Feasibility(0.0, ("t < 20 is broken: 20",), ("m",))
    assert (touched.verdict, touched.words) == ("no", "t < 20 is broken: 20; no metric m")
    assert goals.feasibility(0.5, {"t": 10}).verdict == "unknown"
    assert goals.feasibility(-1.0, {"t": 10, "m": 6}).excess == pytest.approx(1.5)
    assert Constraint("a", ">=", -2.0).excess(-3.0) == pytest.approx(0.5)


def test_an_objective_that_is_not_there_is_named() -> None:
    """`--objective` of every command."""
    goals = problem(direction=DIRECTION).goals
    assert (goals.chosen(None), goals.chosen("latency_ms")) == ("accuracy", "latency_ms")
    with pytest.raises(UsageError, match="no such objective"):
        goals.chosen("latency")


def test_rungs_of_several_objectives_are_refused() -> None:
    """A rung compares one number; judging the first objective alone would be a silent choice."""
    with pytest.raises(ProblemError, match="Rungs compare one objective") as raised:
        problem(direction=DIRECTION, fidelity=Fidelity("epochs", 1, 9))
    assert raised.value.field == "fidelity"
