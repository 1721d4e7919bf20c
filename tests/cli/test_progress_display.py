"""How long a campaign is said to take, from what has ended so far."""

from __future__ import annotations

import pytest

from ambs_hpc.api.progress_display import ProgressLines
from ambs_hpc.api.progress_words import RemainingTime, describe
from ambs_hpc.campaign import Progress
from ambs_hpc.states import State


def progress(done: int, budget: int | None = 400) -> Progress:
    return Progress({State.DONE: done}, done, budget)


def test_a_wave_is_not_extrapolated_from_its_last_seconds() -> None:
    """A hundred slots of a minute: three more waves take three more minutes, not six seconds."""
    left = RemainingTime(0.0)
    assert left.seconds(progress(0), 0.1) is None
    assert left.seconds(progress(0), 59.0) is None
    for done, now in ((10, 60.2), (60, 61.2)):
        assert left.seconds(progress(done), now) is not None
    assert left.seconds(progress(100), 62.0) == 3 * 62.0


def test_what_had_ended_before_is_no_work_of_this_run() -> None:
    """A campaign that goes on is not finished ten seconds later because most of it was done last week."""
    left = RemainingTime(0.0)
    assert left.seconds(progress(300), 10.0) is None
    assert left.seconds(progress(301), 20.0) == 20.0 * 99
    assert left.seconds(progress(400), 30.0) == 0.0
    assert RemainingTime(0.0).seconds(progress(5, budget=None), 9.0) is None


def test_a_budget_that_was_lowered_below_what_is_done_is_spent() -> None:
    """`10/5 done, about -0.1 s left` was said of it."""
    assert describe(progress(10, budget=5), None) == "10 ended, budget of 5 spent, 0 running"
    assert describe(progress(5, budget=5), None) == "5/5 ended, 0 running"


def test_what_failed_counts_for_the_budget() -> None:
    """`21/30 done ... 5 failed` seemed to end at 25 of 30; and a launcher leases more than it has slots."""
    by_state = {State.DONE: 21, State.FAILED: 5, State.CANCELLED: 1, State.RUNNING: 3}
    said = describe(Progress(by_state, 30, 30), 0.5)
    assert said == "27/30 ended (5 failed, 1 cancelled), 3 running or next, best 0.5"
    left = RemainingTime(3.0)
    left.seconds(progress(8, budget=5), 3.0)
    assert left.seconds(progress(10, budget=5), 2.9) == 0.0


def test_a_log_has_each_note_once(capsys: pytest.CaptureFixture[str]) -> None:
    """After Ctrl-C it was written every second, for as long as the evaluations took."""
    now = [0.0]
    lines = ProgressLines("p", lambda: now[0])
    for second, note in enumerate(
        ["", "", "letting end", "letting end", "letting end", "stopping", "stopping"]
    ):
        now[0] = float(second)
        lines.update(progress(1), None, note)
    now[0] = 20.0
    lines.update(progress(1), None, "stopping")
    said = capsys.readouterr().err.splitlines()
    assert [line.partition("; ")[2] for line in said] == ["", "letting end", "stopping", "stopping"]
