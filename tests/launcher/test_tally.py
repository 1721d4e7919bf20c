"""What a launcher counts of its own work."""

from __future__ import annotations

from ambs_hpc.launcher.executors.protocol import Interrupted
from ambs_hpc.launcher.tally import BusyTime
from ambs_hpc.records import Claim, Outcome, Resources


def outcome(attempt: int = 1) -> Outcome:
    return Outcome(7, attempt, "t", 1000.0, 4600.0, "n", objective=1.0)


def run_time(ended: Outcome | Interrupted) -> float:
    assert isinstance(ended, Outcome)
    return ended.finished_at - ended.started_at


def test_a_clock_that_steps_makes_no_run_longer_than_it_can_have_been() -> None:
    """Of what this launcher has started itself."""
    busy = BusyTime()
    busy.begin(7, 10.0)
    assert run_time(busy.end(outcome(), 40.0)) == 30.0
    assert busy.total(40.0) == 30.0


def test_what_a_predecessor_started_has_run_for_longer_than_we_know() -> None:
    """Its hour counts as one, though it was taken over half a minute ago; a later attempt is our own."""
    busy = BusyTime()
    busy.adopt([Claim(7, 1, "c", 7, 1, "t", {}, Resources(), None)])
    for attempt, seconds in ((1, 3600.0), (2, 30.0)):
        busy.begin(7, 10.0)
        assert run_time(busy.end(outcome(attempt), 40.0)) == seconds
