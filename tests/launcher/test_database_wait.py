"""A launcher waits at its start for what is about to be there, and for nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ambs_hpc.errors import DatabaseRefused, DatabaseUnreachable, NoSuchCampaign, SchemaMismatch
from ambs_hpc.launcher import database_wait
from ambs_hpc.launcher.database_wait import once_it_answers, wait_seconds

NOT_YET = [
    DatabaseUnreachable("gone"),
    DatabaseRefused("no tables", passes=True),
    NoSuchCampaign("no campaign yet"),
]


class Time:
    """Sleeps at once."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(database_wait, "time", made)
    return made


def answers_after(time: Time, seconds: float, error: Exception) -> Callable[[], str]:
    def call() -> str:
        if time.now < seconds:
            raise error
        return "here"

    return call


@pytest.mark.parametrize("error", NOT_YET)
def test_what_comes_later_is_waited_for(time: Time, error: Exception) -> None:
    """No database, no tables, no campaign: the search beside us makes them."""
    assert once_it_answers(answers_after(time, 45.0, error), seconds=60.0) == "here"


@pytest.mark.parametrize("error", NOT_YET)
def test_the_wait_ends(time: Time, error: Exception) -> None:
    """With what is missing, in its own words."""
    with pytest.raises(type(error)):
        once_it_answers(answers_after(time, 61.0, error), seconds=60.0)
    assert time.now == 60.0


@pytest.mark.parametrize("error", [DatabaseRefused("wrong password"), SchemaMismatch("older")])
def test_what_does_not_pass_is_told_at_once(time: Time, error: Exception) -> None:
    """Nobody mends it by waiting."""
    with pytest.raises(type(error)):
        once_it_answers(answers_after(time, 1.0, error), seconds=float("inf"))
    assert time.now == 0.0


def test_an_allocation_waits_until_its_end_and_a_person_for_a_minute() -> None:
    """Unless it was said how long."""
    assert wait_seconds(None, is_in_allocation=True) == float("inf")
    assert wait_seconds(None, is_in_allocation=False) == 60.0
    assert wait_seconds(0.0, is_in_allocation=True) == 0.0
