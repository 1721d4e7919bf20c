"""What can be wrong with an objective is told before anything runs, each with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambs_hpc.launcher.supervisor.functions.trial_main import told_of
from ambs_hpc.launcher.trial.verdict import Mistake, Named, mistake_in

MODULE = """
import functools
from typing import Any

def one_dict(configuration): ...
def by_name(lr, units): ...
def rest(lr, **rest): ...
def optional(lr, units=3, momentum=None) -> float: ...
def metrics(configuration) -> dict[str, float]: ...
def maybe(configuration) -> "float | None": ...
def anything(*args, **rest): ...
def conditional(lr, units, momentum): ...
def missing(lr): ...
def extra(lr, units, batch): ...
def swapped(lr, unit): ...
def positional(lr, units, /): ...
def nothing(): ...
def unclear(configuration=None, **rest): ...
def text(configuration) -> str: ...
def none(configuration) -> None: ...
def pair(configuration) -> "tuple[float, float]": ...
def truth(configuration) -> bool: ...
async def coroutine(configuration): ...
def generator(configuration): yield 1.0
class Net: ...
constant = 3

@functools.cache
def cached(lr, units): ...
"""
PLAIN = Named(["lr", "units"], ["lr", "units"])
SOMETIMES = Named(["lr", "units", "momentum"], ["lr", "units"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judged")
    (folder / "judged.py").write_text(MODULE)
    return folder


def judged(folder: Path, name: str, space: Named = PLAIN) -> Mistake | None:
    return mistake_in(told_of(f"judged:{name}", str(folder)), f"judged:{name}", space)


@pytest.mark.parametrize(
    "name", ["one_dict", "by_name", "rest", "optional", "metrics", "maybe", "anything", "cached"]
)
def test_what_can_be_called_fits(folder: Path, name: str) -> None:
    """A check that refuses what works would be switched off."""
    assert judged(folder, name) is None


@pytest.mark.parametrize("name", ["one_dict", "rest", "optional"])
def test_parameters_that_may_be_absent_fit_where_they_need_not_come(folder: Path, name: str) -> None:
    """By name they need a default."""
    assert judged(folder, name, SOMETIMES) is None


WRONG = {
    "traim": ["no function 'traim'", "Accepted:", "one_dict"],
    "by_nmae": ["no function 'by_nmae'", "Did you mean 'by_name'?"],
    "missing": ["missing(lr)", "does not take 'units'", "def missing(configuration)"],
    "extra": ["extra(lr, units, batch)", "needs 'batch', which the space does not have"],
    "swapped": ["needs 'unit'", "Did you mean 'units'?", "def swapped(lr, units)"],
    "positional": ["by position only", "'lr', 'units'"],
    "nothing": ["nothing()", "takes no arguments", "def nothing(configuration)"],
    "unclear": ["could be called with one dict or", "configuration"],
    "text": ["to return str", "a number, or a dict with 'objective'"],
    "none": ["to return None", "a number"],
    "pair": ["to return tuple[float, float]", "a number"],
    "truth": ["to return bool", "a number"],
    "coroutine": ["is a coroutine (async def)", "Write it with def"],
    "generator": ["is a generator", "Return one number"],
    "Net": ["Net is a class", "Name a function"],
    "constant": ["is of type int and cannot be called", "Name a function"],
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_called_is_told_with_its_remedy(folder: Path, name: str) -> None:
    """In words of the field, for who has never seen this program."""
    found = judged(folder, name)
    assert found is not None
    for part in WRONG[name]:
        assert part in f"{found.seen}. {found.remedy}"


def test_a_parameter_that_may_be_absent_needs_a_default(folder: Path) -> None:
    """It would fail at the first configuration without it, which may come hours later."""
    found = judged(folder, "conditional", SOMETIMES)
    assert found == Mistake(
        "conditional needs 'momentum', which not every configuration has: inactive parameters are absent",
        "Give a default, as momentum=None",
    )
