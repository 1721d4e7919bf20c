"""Nodes are asked for when evaluations wait for them, and not otherwise."""

from __future__ import annotations

from dataclasses import replace

from ambs_hpc.records import Allocation
from ambs_hpc.sites import Decision, Policy, decide

POLICY = Policy(most_queued=2, min_nodes=2, max_nodes=8, per_node=4)


def allocation(number: int, state: str, nodes: int = 2, launchers: int = 0) -> Allocation:
    scheduler_id = None if state in ("PREPARED", "REFUSED") else str(number)
    return Allocation(
        number,
        "slurm",
        "slurm",
        scheduler_id,
        {"nodes": nodes},
        state,
        "why",
        0.0,
        None,
        None,
        None,
        0,
        launchers,
    )


def test_nothing_waits_nothing_is_asked_for() -> None:
    """Never an allocation for nothing."""
    assert decide(POLICY, 0, []).nodes == 0


def test_size_follows_what_waits_within_the_limits() -> None:
    """Enough nodes for what waits, never fewer or more than allowed."""
    assert [decide(POLICY, ready, []).nodes for ready in (1, 8, 9, 20, 1000)] == [2, 2, 3, 5, 8]


def test_queued_allocations_count_as_room() -> None:
    """What a queued allocation will take needs no second one."""
    queued = [allocation(1, "QUEUED", nodes=2)]
    assert decide(POLICY, 8, queued).nodes == 0
    assert decide(POLICY, 17, queued).nodes == 3
    assert decide(POLICY, 17, [allocation(1, "RUNNING", nodes=2, launchers=1)]).nodes == 5


def test_never_more_than_allowed_wait() -> None:
    """Also one whose submission is unclear may exist."""
    assert decide(POLICY, 1000, [allocation(2, "PREPARED"), allocation(1, "HELD")]).nodes == 0


def test_repeated_failures_stop_it_with_their_reason() -> None:
    """Until a person has looked; an allocation that ran a launcher ends the row."""
    failed = [allocation(number, "ENDED") for number in (3, 2)] + [allocation(1, "REFUSED")]
    said = decide(POLICY, 10, failed)
    assert said.gave_up
    assert "the newest, 3: why" in said.reason
    assert decide(POLICY, 10, failed, retry=True).nodes == 3
    assert decide(POLICY, 10, [allocation(4, "ENDED", launchers=1), *failed]) == Decision(
        3, "10 evaluations wait, and queued allocations have room for 0"
    )


def test_what_was_cancelled_or_asked_again_is_no_failure() -> None:
    """A person cancelled it; or Slurm did not know a node, and was asked again without leaving nodes out."""
    cancelled = replace(allocation(3, "ENDED"), detail="cancelled; the scheduler does not know it any more")
    again = replace(
        allocation(2, "REFUSED"),
        detail="sbatch: error: Invalid node name specified",
        request={"nodes": 2, "left_out": ["n7"]},
    )
    failed = allocation(1, "ENDED")
    assert not decide(POLICY, 8, [cancelled, failed, failed, failed]).gave_up
    assert not decide(POLICY, 8, [again, again, again]).gave_up
    assert decide(POLICY, 8, [again, failed, failed, failed]).gave_up


def test_scripts_that_end_before_their_launcher_stop_it() -> None:
    """Cobalt forgets them at once; what merely vanished may have been cancelled by a person."""
    broken = "the scheduler does not know it any more; no launcher started in it: module: command not found"
    vanished = [allocation(number, "VANISHED") for number in (3, 2, 1)]
    assert not decide(POLICY, 10, vanished).gave_up
    said = decide(POLICY, 10, [replace(one, detail=broken) for one in vanished])
    assert said.gave_up
    assert "module: command not found" in said.reason
