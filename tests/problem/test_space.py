"""A plain dict becomes the ConfigSpace that a person would have written."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from ConfigSpace import (
    Categorical,
    ConfigurationSpace,
    Constant,
    EqualsCondition,
    Float,
    Integer,
    OrdinalHyperparameter,
)

from ambs_hpc.errors import ProblemError
from ambs_hpc.problem.space import (
    build_space,
    check_configuration,
    default_configuration,
    space_from_json,
    space_notes,
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


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ((0.0, sys.float_info.max), "Numbers are searched from"),
        ((-sys.float_info.max, 0.0, "log"), "Numbers are searched from"),
        ((0.5, 10**400), "Numbers are searched from"),
        ((0, 10**400), "exact up to"),
    ],
)
def test_bounds_beyond_what_can_be_computed_with_are_refused(bounds: object, words: str) -> None:
    """They ended in a traceback of ConfigSpace that names neither the file nor the parameter."""
    with pytest.raises(ProblemError, match=words) as refused:
        build_space({"penalty": bounds})
    assert "'penalty'" in str(refused.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("inf"), "JSON has no inf"),
        (float("nan"), "JSON has no nan"),
        (None, "'none'"),
        ((64, 64), "translate it in the objective"),
        ([1, 2], "translate it in the objective"),
        ({"a": 1}, "translate it in the objective"),
        (1j, "numbers, texts or truth values"),
        ("a\0b", "without NUL"),
        ("\ud800", "surrogates"),
    ],
)
@pytest.mark.parametrize("form", ["dict", "categorical", "ordinal", "constant"])
def test_values_that_no_database_holds_are_refused_by_name(form: str, value: object, words: str) -> None:
    """Accepted first and lost later, they would take the campaign's name with them."""
    space: object = {"clip": [1.0, value]}
    if form != "dict":
        space = ConfigurationSpace()
        made = {
            "categorical": lambda: Categorical("clip", [1.0, value]),
            "ordinal": lambda: OrdinalHyperparameter("clip", [1.0, value]),
            "constant": lambda: Constant("clip", value),
        }
        try:
            space.add(made[form]())
        except (TypeError, ValueError):
            return  # ConfigSpace itself says so, where the person makes the parameter
    with pytest.raises(ProblemError, match="'clip'") as told:
        build_space(space)
    assert words in str(told.value)


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        (list(np.arange(1, 4)), [1, 2, 3]),
        (np.array([16, 32, 64]), [16, 32, 64]),
        ((np.int64(1), np.int64(9)), (1, 9)),
        ((np.float32(0.5), np.float32(1)), (0.5, 1.0)),
        ([np.str_("a"), np.str_("b")], ["a", "b"]),
        ([np.bool_(True), np.bool_(False)], [True, False]),
        (np.int64(3), 3),
        (range(1, 9), (1, 8)),
        (range(8, 65, 8), [8, 16, 24, 32, 40, 48, 56, 64]),
        (range(3, 4), [3]),
    ],
)
def test_numbers_of_numpy_are_the_plain_values_they_hold(given: object, plain: object) -> None:
    """Ranges and scales of choices come from numpy; nobody means another space by it."""
    built = build_space({"a": given})
    assert built == build_space({"a": plain})
    assert type(next(iter(built.values())).default_value) in (bool, int, float, str)


def test_numpy_inside_a_configspace_space_becomes_json() -> None:
    """A campaign stores the space before it runs anything."""
    space = ConfigurationSpace()
    space.add(Categorical("a", [np.int64(1), np.int64(2)]), OrdinalHyperparameter("b", list(np.arange(3))))
    stored = json.loads(json.dumps(space_to_json(build_space(space))))
    assert list(space_from_json(stored)["a"].choices) == [1, 2]


@pytest.mark.parametrize("bounds", [(0, 2**63 - 1), (0, 2**53 + 1), (-(2**60), 0), (0, np.int64(2**62))])
def test_whole_numbers_that_would_not_stay_exact_are_refused(bounds: tuple[int, int]) -> None:
    """2**53 + 1 must not become 2**53 without a word."""
    with pytest.raises(ProblemError, match=r"'seed'.*exact up to 2\*\*53 = 9007199254740992"):
        build_space({"seed": bounds})
    assert build_space({"seed": (0, 2**53)})["seed"].upper == 2**53


def test_wide_whole_numbers_of_a_configspace_space_are_refused() -> None:
    """The other way in."""
    space = ConfigurationSpace()
    space.add(Integer("seed", (0, 2**60)))
    with pytest.raises(ProblemError, match="'seed'"):
        build_space(space)


def test_whole_numbers_of_any_size_are_exact_as_choices() -> None:
    """A choice is stored by its place."""
    big = [2**53 + 1, 2**60 + 7, 3]
    assert list(build_space({"a": big})["a"].choices) == big


def test_bounds_that_configspace_would_round_away_are_refused() -> None:
    """It keeps 13 decimals: 1e-15 would become 0."""
    with pytest.raises(ProblemError, match=r"'tolerance'.*1e-15.*13 decimals"):
        build_space({"tolerance": (1e-15, 1e-3, "log")})
    assert build_space({"tolerance": (1e-12, 1e-3, "log")})["tolerance"].lower == 1e-12


def test_notes_that_cannot_be_stored_are_refused() -> None:
    """A parameter's `meta` may hold anything."""
    space = ConfigurationSpace()
    space.add(Float("x", (0.0, 1.0), meta={"unit": object()}))
    with pytest.raises(ProblemError, match="cannot be stored as JSON"):
        build_space(space)


def test_two_whole_numbers_are_pointed_out() -> None:
    """(0, 1) for a share was meant as all numbers between."""
    notes = space_notes(build_space({"dropout": (0, 1), "rate": (0.0, 1.0), "layers": (1, 9)}))
    assert notes == [
        "'dropout' is one of the two whole numbers 0 and 1; for all numbers between them write (0.0, 1.0)"
    ]


def test_a_range_that_was_written_as_a_list_is_pointed_out() -> None:
    """A search of three values looks like one that cannot find anything."""
    rates = {"lr": [1e-5, 1e-1, "log"], "decay": [0.5, 0.1], "act": ["relu", "log"], "units": [16, 32]}
    assert space_notes(build_space({**rates, "power": [0.5, 1.0, 2.0]})) == [
        "'decay' is one of the 2 values 0.5 and 0.1; for a range write (0.1, 0.5)",
        "'lr' is one of the 3 values 1e-05, 0.1 and 'log'; for a range write (1e-05, 0.1, 'log')",
    ]


@pytest.mark.parametrize("choices", [("relu", "tanh"), ("a", "b", "c"), (16, 32, 64), (True, False)])
def test_choices_that_were_written_as_a_range_are_told_how(choices: tuple[object, ...]) -> None:
    """Round brackets and square ones are easily taken for each other."""
    with pytest.raises(ProblemError) as told:
        build_space({"act": choices})
    assert str(told.value).endswith(f"; a choice is a list: {list(choices)!r}")
