"""Hydra's way of writing sweeps becomes a space, and values come back as the program sees them."""

from __future__ import annotations

import re

import pytest
from hydra.errors import HydraException

from ambs_hpc import Problem
from ambs_hpc.errors import UsageError
from ambs_hpc.integrations.hydra.parameters import read_parameters
from ambs_hpc.launcher.command_line import filled

TEXTS = {
    "interval(0.1, 0.5)": (0.1, 0.5),
    "tag(log, interval(1e-4, 1e-1))": (1e-4, 1e-1, "log"),
    "interval(1, 8)": (1.0, 8.0),
    "int(interval(1, 8))": (1, 8),
    "tag(log, int(interval(1, 1024)))": (1, 1024, "log"),
    "range(1, 10)": (1, 9),
    "range(5)": (0, 4),
    "tag(log, range(1, 101))": (1, 100, "log"),
    "range(0, 10, 5)": [0, 5],
    "range(10, 1, -4)": [2, 6, 10],
    "range(0, 1, 0.25)": [0.0, 0.25, 0.5, 0.75],
    "choice(a, b)": ["a", "b"],
    "16,32,64": [16, 32, 64],
    "choice(true, false)": [True, False],
    "choice(1, two)": ["1", "two"],
    "choice([64,64],[128])": ["[64,64]", "[128]"],
    "choice('10', \"x y\")": ["'10'", "x\\ y"],
    "choice(${a.b}, c)": ["${a.b}", "c"],
    "null,relu": ["null", "relu"],
}


@pytest.mark.parametrize("text", TEXTS)
def test_every_kind_of_sweep_is_a_part_of_the_space(text: str) -> None:
    """What the sweep says is searched, and nothing beside it."""
    parameters = read_parameters({"p": text}, [])
    assert parameters.space == {"p": TEXTS[text]}
    Problem(name="p", space=parameters.space, objective="os:getcwd")  # raises what the search cannot have


def test_command_line_wins_over_the_configuration() -> None:
    """As with every other override of Hydra."""
    params = {"net.lr": "interval(0, 1)", "units": "8,16", "epochs": 5}
    parameters = read_parameters(params, ["net.lr=interval(2, 3)", "units=8", "+extra=choice(a, b)"])
    assert parameters.space == {"net.lr": (2.0, 3.0), "extra": ["a", "b"]}
    assert parameters.fixed == ("units=8", "epochs=5")
    assert parameters.placeholders == ("units=8", "epochs=5", "net.lr={net.lr}", "+extra={extra}")


def test_values_reach_the_program_as_overrides() -> None:
    """Braces of a fixed override are not taken for a parameter."""
    parameters = read_parameters({"net": "choice([64,64],[128])"}, ["~old", "opt={lr:0.1}", "x=1,2"])
    entries = filled(parameters.placeholders, {"net": "[64,64]", "x": 2})
    assert entries == ["~old", "opt={lr:0.1}", "net=[64,64]", "x=2"]


def test_values_come_back_as_the_program_sees_them() -> None:
    """The best configuration is read by people and scripts that know nothing of the override grammar."""
    parameters = read_parameters({"a": "null,relu", "b": "choice('10', 11)", "c": "interval(0, 1)"}, [])
    stored = {"a": "null", "b": "'10'", "c": 0.5}
    plain = {"a": None, "b": "10", "c": 0.5}
    assert parameters.plain(stored) == plain
    assert parameters.stored(plain) == stored


WRONG = {
    "interval(3, 1)": "p: the interval goes from 3.0 to 1.0. Put the lower bound first",
    "tag(log, range(0, 10, 5))": "p: only ranges of step 1, and intervals, have a log scale",
    "range(0, 1, 0.00001)": "p: the range has more than 10000 values. Write interval(low, high)",
    "range(5, 1)": "p: the range has no values. Write range(start, stop, step), which ends before stop",
    "7": "no parameter is searched",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_cannot_be_searched_is_told(text: str) -> None:
    """The message has the parameter and what to write."""
    with pytest.raises(UsageError) as raised:
        read_parameters({"p": text}, [])
    assert WRONG[text] in str(raised.value)


@pytest.mark.parametrize(
    ("value", "told"),
    [({"lr": "interval(0, 1)"}, "Write the whole key: net.lr: ..."), ([8, 16], "Write choice(8, 16)")],
    ids=["dict", "list"],
)
def test_what_looks_like_a_sweep_and_is_none_is_told(value: object, told: str) -> None:
    """It would be one value for every evaluation, without a word."""
    with pytest.raises(UsageError, match=re.escape(told)):
        read_parameters({"net": value, "x": "1,2"}, [])


def test_what_hydra_cannot_read_is_told_by_hydra() -> None:
    """Its message points at the place."""
    with pytest.raises(HydraException, match="interval"):
        read_parameters({"p": "interval(1)"}, [])
