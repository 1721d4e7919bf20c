"""A function gets one dict, or each parameter by its name: its signature says which."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from ambs_hpc.launcher.supervisor.functions.call_form import arguments_of, taking_a_dict


def one_dict(configuration: dict[str, Any]) -> object:
    return configuration


def by_name(lr: float, units: int) -> object:
    return {"lr": lr, "units": units}


def some_by_name(lr: float, **rest: object) -> object:
    return {"lr": lr, **rest}


def with_defaults(units: int = 1, lr: float = 0.1, momentum: float | None = None) -> object:
    return {"lr": lr, "units": units, "momentum": momentum}


def keywords_only(*, lr: float, units: int) -> object:
    return {"lr": lr, "units": units}


def dict_and_option(configuration: dict[str, Any], epochs: int = 3) -> object:
    return configuration


class Trainer:
    def method(self, lr: float, units: int) -> object:
        return {"lr": lr, "units": units}

    def __call__(self, configuration: dict[str, Any]) -> object:
        return configuration


def through(function: Callable[..., object]) -> Callable[..., object]:
    """As decorators are that do not say what they wrap."""

    def wrapped(*args: object, **rest: object) -> object:
        return function(*args, **rest)

    return wrapped


GIVEN = {"lr": 0.5, "units": 8}


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (one_dict, GIVEN),
        (by_name, GIVEN),
        (some_by_name, GIVEN),
        (with_defaults, {**GIVEN, "momentum": None}),
        (keywords_only, GIVEN),
        (dict_and_option, GIVEN),
        (Trainer().method, GIVEN),
        (Trainer(), GIVEN),
        (through(one_dict), GIVEN),
        (functools.wraps(by_name)(through(by_name)), GIVEN),
        (functools.partial(by_name, units=8), GIVEN),
    ],
)
def test_both_forms_are_called_as_they_are_written(function: Callable[..., object], got: object) -> None:
    """Nobody should have to unpack a dict by hand, and nobody who does should have to change it."""
    assert taking_a_dict(function)(dict(GIVEN)) == got


def test_an_argument_called_as_a_parameter_is_that_parameter() -> None:
    """`def train(x)` in a space of x alone means the number."""
    assert taking_a_dict(lambda x: x)({"x": 0.5}) == 0.5
    assert taking_a_dict(lambda x: x)({"x": 0.5, "y": 1}) == {"x": 0.5, "y": 1}


def test_inactive_parameters_are_left_to_their_defaults() -> None:
    """They are absent from a configuration."""
    assert taking_a_dict(with_defaults)({"lr": 0.5}) == {"lr": 0.5, "units": 1, "momentum": None}


def test_what_python_knows_nothing_of_gets_a_dict() -> None:
    """As functions of compiled extensions."""
    assert arguments_of(max) is None
    assert taking_a_dict(max) is max
