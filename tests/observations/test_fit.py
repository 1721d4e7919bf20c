"""Values of elsewhere become legal ones of a space, or are refused by name."""

from __future__ import annotations

import pytest
from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float, Integer

from ambs_hpc.errors import ProblemError
from ambs_hpc.observations import SpaceFit
from ambs_hpc.problem import build_space


def conditional_space() -> ConfigurationSpace:
    """`momentum` exists only for sgd, and `nesterov` only with it."""
    space = ConfigurationSpace()
    optimizer = Categorical("optimizer", ["adam", "sgd"])
    momentum = Float("momentum", (0.0, 0.99), default=0.9)
    space.add(momentum, optimizer, Integer("units", (8, 512), log=True))
    space.add(EqualsCondition(momentum, optimizer, "sgd"))
    return space


@pytest.mark.parametrize(
    ("choice", "value", "fitted"),
    [
        ((8, 512), "64", 64),
        ((8, 512), 64.0, 64),
        ((8, 512), "64.0", 64),
        ((0.0, 0.1), "0.1", 0.1),
        ((0.0, 0.1), 0.1000000000001, 0.1),
        ((0.0, 10.0), 3, 3.0),
        ([True, False], "true", True),
        ([16, 32, 64], "32.0", 32),
        ([16, 32, 64], 32.0, 32),
        (["relu", "=f(x)"], "'=f(x)", "=f(x)"),
        (["", "x"], "", ""),
        ([1, "1"], "1", None),
        ((8, 512), "64.5", None),
        ((8, 512), "lots", None),
        ((8, 512), True, None),
        ((0.0, 0.1), "0.2", None),
        ((0.0, 0.1), "inf", None),
        (["relu", "tanh"], "Relu", None),
        ([0, 1, 2], True, None),
    ],
)
def test_a_value_is_fitted_or_refused(choice: object, value: object, fitted: object) -> None:
    """A value that was not tried must not get a result: types may change, numbers may not."""
    fit = SpaceFit(build_space({"x": choice}))
    if fitted is None:
        with pytest.raises(ProblemError, match=r"old.csv, line 2: x: is .*Accepted"):
            fit.configuration({"x": value}, "old.csv, line 2")
        return
    found = fit.configuration({"x": value, "day": "monday"}, "here")
    assert found == {"x": fitted}
    assert type(found["x"]) is type(fitted)


def test_inactive_values_of_other_programs_are_left_out() -> None:
    """DeepHyper and tables give every column a value; a person who names one must be told."""
    fit = SpaceFit(conditional_space())
    values = {"optimizer": "adam", "momentum": "0.5", "units": "64"}
    assert fit.configuration(values, "here") == {"optimizer": "adam", "units": 64}
    with pytest.raises(
        ProblemError, match=r"momentum: is '0.5'. Leave it out: it is active only where optimizer=sgd"
    ):
        fit.configuration(values, "--set", drop_inactive=False)


def test_missing_values_are_refused_or_taken_from_the_defaults() -> None:
    """Which are missing depends on the conditions; constants need not be said."""
    fit = SpaceFit(conditional_space())
    with pytest.raises(ProblemError, match=r"momentum: has no value. Accepted: a number from 0.0 to 0.99"):
        fit.configuration({"optimizer": "sgd", "units": 64}, "here")
    assert fit.configuration({"optimizer": "sgd", "units": 64}, "here", fill=True)["momentum"] == 0.9
    assert fit.missing({"optimizer": "sgd"}) == {"momentum": 0.9, "units": 64}
    assert SpaceFit(build_space({"x": (0, 9), "version": "v2"})).configuration({"x": 1}, "here") == {
        "x": 1,
        "version": "v2",
    }


def test_a_forbidden_configuration_is_refused() -> None:
    """Each value may be legal and the whole not."""
    from ConfigSpace import ForbiddenAndConjunction, ForbiddenEqualsClause

    space = conditional_space()
    space.add(
        ForbiddenAndConjunction(
            ForbiddenEqualsClause(space["optimizer"], "adam"), ForbiddenEqualsClause(space["units"], 8)
        )
    )
    with pytest.raises(ProblemError, match="is forbidden by the space"):
        SpaceFit(space).configuration({"optimizer": "adam", "units": 8}, "here")
