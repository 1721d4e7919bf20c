"""A launcher with nothing to do gives its nodes back, but not while somebody may give it something."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ambs_hpc.clock import ManualClock
from ambs_hpc.errors import DatabaseUnreachable
from ambs_hpc.launcher.life.idle_time import Idleness

PATIENCE_SECONDS = 10.0


class Waiting:
    """A launcher's loop that has nothing to do, and its clock."""

    def __init__(self, **state: Any) -> None:
        self.clock, self.searches = ManualClock(), False
        idle = {"is_idle": True, "is_paused": False, "awaits_import": False, "is_asking": False}
        known = {"has_asked": True, "has_refused_all": False, "is_out_of_time": False}
        database = SimpleNamespace(has_search=self.has_search)
        self.loop: Any = SimpleNamespace(database=database, **{**idle, **known, **state})
        self.idleness = Idleness(self.loop, self.clock, PATIENCE_SECONDS)

    def has_search(self) -> bool:
        if isinstance(self.searches, Exception):
            raise self.searches
        return self.searches

    def too_long(self, seconds: float, *, beside: bool = False, complete: bool = False) -> bool:
        """Whether it lasts too long, so many seconds later."""
        self.clock.sleep(seconds)
        return self.idleness.lasts_too_long(is_searching=beside, is_search_complete=complete)


def test_idleness_lasts_too_long_when_patience_is_over() -> None:
    """Nodes cost money while nothing runs on them."""
    waiting = Waiting()
    assert [waiting.too_long(seconds) for seconds in (0.0, 9.0, 2.0)] == [False, False, True]


def test_work_begins_the_patience_anew() -> None:
    """It counts from the last time that there was something to do."""
    waiting = Waiting()
    waiting.too_long(0.0)
    waiting.loop.is_idle = False
    waiting.too_long(9.0)
    waiting.loop.is_idle = True
    assert [waiting.too_long(seconds) for seconds in (2.0, 9.0, 2.0)] == [False, False, True]


def test_a_live_search_is_waited_for() -> None:
    """A model takes its time, whoever runs the search; a database that gives no answer is no proof."""
    waiting = Waiting()
    assert not waiting.too_long(0.0)
    assert not waiting.too_long(60.0, beside=True)
    for waiting.searches in (True, DatabaseUnreachable("away")):  # type: ignore[assignment]
        assert not waiting.too_long(60.0)
    waiting.searches = False
    assert waiting.too_long(60.0)


def test_nothing_is_waited_for_that_cannot_come() -> None:
    """Of a search that has said all, of campaigns that are refused, of evaluations that are too long."""
    assert Waiting().too_long(0.0, complete=True)
    assert Waiting(has_refused_all=True).too_long(0.0)
    assert Waiting(is_out_of_time=True).too_long(0.0)


def test_what_is_not_known_is_no_idleness() -> None:
    """Nodes may recover, a module be repaired, and an answer of the database bring leases."""
    for unknown in ("is_paused", "awaits_import", "is_asking"):
        waiting = Waiting(**{unknown: True})
        assert [waiting.too_long(seconds) for seconds in (0.0, 60.0)] == [False, False]
    assert not Waiting(has_asked=False).too_long(60.0)
