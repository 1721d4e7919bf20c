"""One question for all allocations, seldom, and less often the longer a scheduler is silent."""

from __future__ import annotations

import pytest

from ambs_hpc.clock import ManualClock
from ambs_hpc.schedulers import Backoff, CouldNotAsk, StatusAnswer

ANSWER = StatusAnswer({})
SILENCE = CouldNotAsk("qstat", "cannot connect to server")


def test_the_first_question_is_asked_at_once() -> None:
    """A command that shows allocations shall not wait."""
    assert Backoff().due(ManualClock().now())


def test_an_answered_question_is_not_repeated_before_its_interval() -> None:
    """Centres ask for 30 to 60 seconds."""
    clock = ManualClock()
    backoff = Backoff().note(clock.now(), ANSWER)
    clock.sleep(44.0)
    assert not backoff.due(clock.now())
    clock.sleep(1.0)
    assert backoff.due(clock.now())


def test_silence_doubles_the_wait_up_to_ten_minutes_and_an_answer_ends_it() -> None:
    """A scheduler in trouble is not helped by questions."""
    backoff = Backoff(interval_seconds=30.0)
    waits = []
    for _ in range(7):
        backoff = backoff.note(0.0, SILENCE)
        waits.append(backoff.wait_seconds)
    assert waits == [60.0, 120.0, 240.0, 480.0, 600.0, 600.0, 600.0]
    assert backoff.note(0.0, ANSWER) == Backoff(interval_seconds=30.0, asked_at=0.0)


def test_a_clock_that_was_set_back_does_not_stop_the_questions() -> None:
    """Stored times outlive corrections of a clock."""
    assert Backoff(asked_at=1000.0).due(10.0)


def test_an_interval_is_above_zero() -> None:
    """Zero would be a storm."""
    with pytest.raises(ValueError, match="interval"):
        Backoff(interval_seconds=0.0)
