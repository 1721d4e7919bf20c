"""A node on which everything fails is found by its neighbours, a wrong program accuses nobody."""

from __future__ import annotations

import pytest

from ambs_hpc.launcher.executors import black_hole
from ambs_hpc.launcher.executors.black_hole import MOST_QUICK, BlackHoles
from ambs_hpc.records import Outcome
from ambs_hpc.states import FailureKind


class Campaign:
    """Evaluations of one campaign, told to one watcher."""

    def __init__(self, black_holes: BlackHoles, campaign_id: int = 1) -> None:
        self.black_holes, self.id, self.number = black_holes, campaign_id, 1000 * campaign_id

    def start(self, node: str) -> int:
        self.number += 1
        self.black_holes.note_start(self.number, self.id, node)
        return self.number

    def end(self, node: str, failure: FailureKind | None, seconds: float = 1.0) -> str:
        number = self.start(node)
        error = "" if failure is None else "Traceback:\n  ...\nRuntimeError: no GPU found\n"
        objective = 1.0 if failure is None else None
        return self.black_holes.note_outcome(
            Outcome(
                number,
                1,
                "t",
                100.0,
                100.0 + seconds,
                node,
                objective=objective,
                failure=failure,
                error=error,
            )
        )

    def fail(self, node: str, times: int, seconds: float = 1.0) -> list[str]:
        return [self.end(node, FailureKind.ERROR, seconds) for _ in range(times)]

    def succeed(self, node: str, times: int = 1) -> None:
        for _ in range(times):
            assert self.end(node, None) == ""


def test_a_node_that_fails_alone_is_found() -> None:
    """From the eighth failure on; the last line of the error is told."""
    campaign = Campaign(BlackHoles())
    campaign.succeed("n1")
    told = campaign.fail("n2", MOST_QUICK)
    assert told[:-1] == [""] * (MOST_QUICK - 1)
    assert "8 evaluations in a row failed within 5 s" in told[-1]
    assert "(RuntimeError: no GPU found)" in told[-1]


def test_what_runs_long_elsewhere_is_evidence_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where evaluations take hours, the queue would be eaten before the first of them has ended well."""
    campaign = Campaign(BlackHoles())
    campaign.start("n1")
    assert campaign.fail("n2", MOST_QUICK)[-1] == ""
    monkeypatch.setattr(black_hole, "LONG_SECONDS", 0.0)
    assert campaign.fail("n2", 1)[-1] != ""


def test_a_program_that_fails_everywhere_accuses_no_node() -> None:
    """Its evaluations must fail and its campaign end; earlier successes do not help for long."""
    campaign = Campaign(BlackHoles())
    campaign.succeed("n1", 3)
    for _ in range(MOST_QUICK):
        assert campaign.end("n1", FailureKind.ERROR) == ""
        told = campaign.end("n2", FailureKind.ERROR)
    assert told == ""


def test_a_single_node_is_never_accused() -> None:
    """Nothing tells its fault from the program's."""
    campaign = Campaign(BlackHoles())
    campaign.succeed("n1", 5)
    assert set(campaign.fail("n1", 3 * MOST_QUICK)) == {""}


def test_another_campaign_is_no_evidence() -> None:
    """One program may be broken while another one works."""
    black_holes = BlackHoles()
    good, broken = Campaign(black_holes, 1), Campaign(black_holes, 2)
    good.succeed("n1", 5)
    assert set(broken.fail("n2", 2 * MOST_QUICK)) == {""}


@pytest.mark.parametrize("failure", [None, FailureKind.TIMEOUT, FailureKind.BAD_RESULT])
def test_any_other_end_is_a_sign_of_health(failure: FailureKind | None) -> None:
    """Failures count in a row only."""
    campaign = Campaign(BlackHoles())
    campaign.succeed("n1")
    campaign.fail("n2", MOST_QUICK - 1)
    campaign.end("n2", failure)
    assert set(campaign.fail("n2", MOST_QUICK - 1)) == {""}


def test_late_failures_are_the_programs_own() -> None:
    """What has computed for a while had a node that works."""
    campaign = Campaign(BlackHoles())
    campaign.succeed("n1")
    assert set(campaign.fail("n2", 2 * MOST_QUICK, seconds=30.0)) == {""}


def test_interruptions_say_nothing() -> None:
    """They have reasons of their own, and are not remembered."""
    campaign = Campaign(BlackHoles())
    campaign.succeed("n1")
    campaign.black_holes.note_interruption(campaign.start("n2"))
    assert campaign.fail("n2", MOST_QUICK)[-1] != ""
