"""A plain dict becomes the ConfigSpace that a person would have written."""

from __future__ import annotations

import json

import pytest
from ConfigSpace import ConfigurationSpace, EqualsCondition, Float

from ambs_hpc.errors import ProblemError
from ambs_hpc.problem.space import (
    build_space,
    check_configuration,
    default_configuration,
    space_from_json,
    space_to_json,
)


def kinds(space: ConfigurationSpace) -> dict[str, str]:
    return {name: type(parameter).__name__ for name, parameter in space.items()}


def test_dict_forms_become_the_parameter_they_read_as() -> None:
    """Whole bounds give whole numbers, rising numbers an order, anything else choices."""
    space = build_space(
        {
            "a": (1, 9),
            "b": (1.0, 9),
            "c": (1, 64, "log"),
            "d": ["x", "y"],
            "e": [1, 2, 4],
            "f": [True, False],
            "g": 7,
        }
    )
    assert kinds(space) == {
        "a": "UniformIntegerHyperparameter",
        "b": "UniformFloatHyperparameter",
        "c": "UniformIntegerHyperparameter",
        "d": "CategoricalHyperparameter",
        "e": "OrdinalHyperparameter",
        "f": "CategoricalHyperparameter",
        "g": "Constant",
    }
    assert space["c"].log is True


def test_json_form_survives_a_round_trip() -> None:
    """A restarted search rebuilds the space from the database."""
    space = build_space({"a": (1e-5, 1.0, "log"), "d": ["x", "y"]})
    space.add(momentum := Float("momentum", (0.0, 1.0)))
    space.add(EqualsCondition(momentum, space["d"], "x"))
    assert space_from_json(json.loads(json.dumps(space_to_json(space)))) == space


def test_defaults_are_plain_active_values() -> None:
    """Defaults go into JSON."""
    assert default_configuration(build_space({"a": (0.0, 1.0), "d": ["x", "y"], "e": [1, 2, 4]})) == {
        "a": 0.5,
        "d": "x",
        "e": 1,
    }


def test_inactive_parameter_is_refused() -> None:
    """A conditional parameter that is inactive must be absent."""
    space = build_space({"d": ["x", "y"], "m": (0.0, 1.0)})
    space.add(EqualsCondition(space["m"], space["d"], "x"))
    check_configuration(space, {"d": "y"}, "point")
    with pytest.raises(ProblemError, match="inactive"):
        check_configuration(space, {"d": "y", "m": 0.5}, "point")
