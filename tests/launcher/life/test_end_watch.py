"""When a launcher ends at its time limit."""

from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import Any

import pytest

from ambs_hpc.clock import ManualClock
from ambs_hpc.launcher.life.end_watch import ANSWER_SECONDS, STUCK_SECONDS, EndWatch
from ambs_hpc.launcher.life.launcher_settings import LauncherSettings
from ambs_hpc.launcher.node_pool import NodePool


class Granted:
    """A launcher in an allocation of an hour, as its end sees it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.begun_at = self.clock.monotonic()
        self.loop: Any = SimpleNamespace(
            is_idle=False,
            is_quiet=False,
            stopped=[],
            end_by=self.end_by,
            stop=lambda grace: self.loop.stopped.append(grace),
            step=self.clock.sleep,
        )
        settings = LauncherSettings(node_pool=NodePool((), "", seconds_left=3600.0), notice_seconds=60.0)
        packing: Any = SimpleNamespace(nodes=["n"])
        self.watch = EndWatch(self.loop, packing, settings, self.clock, None, self.begun_at)
        self.allocation: Any = SimpleNamespace(over=lambda: "", moved_seconds=0.0, is_asking=False)
        self.watch._allocation = self.allocation

    def end_by(self, deadline: float, _seconds: float) -> None:
        self.loop.deadline = deadline

    def stopped(self, after_seconds: float) -> list[float]:
        """The graces with which it was stopped, so long after its begin."""
        self.clock.sleep(max(0.0, self.begun_at + after_seconds - self.clock.monotonic()))
        self.watch._look_around()
        return list(self.loop.stopped)


@pytest.fixture
def granted() -> Granted:
    return Granted()


def test_the_end_is_where_the_scheduler_has_put_it(granted: Granted) -> None:
    """It may move more than once, until it has come."""
    granted.allocation.moved_seconds = 3600.0
    assert granted.stopped(3700.0) == []
    granted.allocation.moved_seconds = 600.0
    assert granted.stopped(4130.0) == []
    assert granted.stopped(4141.0) == [59.0]


def test_an_answer_that_is_under_way_is_waited_for(granted: Granted) -> None:
    """A suspended allocation gets its time back, of which nothing here knew before it went on."""
    granted.allocation.is_asking = True
    assert granted.stopped(8000.0) == []
    granted.allocation.moved_seconds, granted.allocation.is_asking = 4500.0, False
    assert granted.stopped(8001.0) == []
    granted.allocation.is_asking = True
    assert granted.stopped(8100.0) == []
    assert granted.stopped(8100.0 + ANSWER_SECONDS) == [10.0], "a scheduler that is silent changes nothing"


def test_what_does_not_end_keeps_no_launcher(granted: Granted) -> None:
    """A supervisor may hang in a dead file system: the launcher says its end before it is killed for it."""
    granted.allocation.over = lambda: "it is ended"
    before = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        assert granted.watch.run() == "allocation over: it is ended"
    finally:
        for number, handler in before:
            signal.signal(number, handler)
    assert granted.loop.stopped == [10.0]
    assert 10.0 <= granted.clock.monotonic() - granted.begun_at - STUCK_SECONDS <= 12.0
