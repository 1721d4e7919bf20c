"""Parameters come in the problem's order, wherever a person reads them."""

from __future__ import annotations

from dataclasses import replace

from ConfigSpace import ConfigurationSpace, Float, Integer

from ambs_hpc import Problem
from ambs_hpc.problem.space import in_stored_order, space_from_json, space_to_json

PROBLEM = Problem(name="net", space={"zeta": (0.0, 1.0), "alpha": (1, 4), "mid": ["a", "b"]}, objective="m:f")


def names(space: dict[str, object]) -> list[str]:
    return [str(one["name"]) for one in space["hyperparameters"]]


def test_a_stored_space_has_the_order_of_the_problem() -> None:
    """ConfigSpace sorts by names; a person has put the important ones first."""
    assert names(PROBLEM.to_json()["space"]) == ["zeta", "alpha", "mid"]
    assert names(replace(PROBLEM, name="other").to_json()["space"]) == ["zeta", "alpha", "mid"]
    own = ConfigurationSpace()
    own.add(Float("b", (0, 1)), Integer("a", (0, 3)))
    assert names(space_to_json(own)) == ["a", "b"]


def test_the_order_is_no_part_of_the_space() -> None:
    """A search of the same numbers proposes the same, and an order is no revision."""
    stored = PROBLEM.to_json()["space"]
    assert list(space_from_json(stored)) == ["alpha", "mid", "zeta"]


def test_a_configuration_is_put_in_order_and_loses_nothing() -> None:
    """Inactive parameters are absent, and what a revision removed comes last."""
    stored = PROBLEM.to_json()["space"]
    ordered = in_stored_order({"gone": 1, "mid": "a", "zeta": 0.5}, stored)
    assert list(ordered.items()) == [("zeta", 0.5), ("mid", "a"), ("gone", 1)]
    assert in_stored_order({"x": 1}, {}) == {"x": 1}
