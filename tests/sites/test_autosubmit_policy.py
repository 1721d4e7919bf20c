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
    assert decide(POLICY, 17, [replace(allocation(1, "RUNNING"), evaluations=8)]).nodes == 5


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
        3, "10 evaluations wait, and allocations that wait or begin have room for 0"
    )


def test_what_a_person_tried_again_is_waited_for() -> None:
    """Else the pass after `--retry` gives up over the old failures, though the new one waits or works."""
    failed = [allocation(number, "ENDED") for number in (3, 2, 1)]
    for tried in (allocation(4, "QUEUED"), allocation(4, "RUNNING"), allocation(4, "RUNNING", launchers=1)):
        said = decide(POLICY, 10, [tried, *failed])
        assert (said.nodes, said.gave_up) == (0, False)
        assert said.reason.endswith("Whether 4 does better is not known yet")
    works = replace(allocation(4, "RUNNING", launchers=1), evaluations=2)
    assert decide(POLICY, 10, [works, *failed]).nodes == 3
    assert decide(POLICY, 10, [allocation(4, "ENDED"), *failed]).gave_up


def test_an_allocation_that_has_just_begun_is_room() -> None:
    """Its launcher takes a while before it leases anything: a pass in between would ask twice."""
    begun = allocation(1, "RUNNING", nodes=2)
    assert decide(POLICY, 8, [begun]).nodes == 0
    assert decide(POLICY, 8, [replace(begun, launchers=1, utilisation=0.0)]).nodes == 0
    assert decide(POLICY, 17, [begun]).nodes == 3
    for full in (replace(begun, launchers=1, evaluations=8), replace(begun, launchers=1, utilisation=0.5)):
        assert decide(POLICY, 8, [full]).nodes == 2


def test_launchers_that_ran_nothing_of_what_waits_stop_it() -> None:
    """Where an objective cannot be imported, one allocation after another would be charged, for ever."""
    idle = [
        replace(allocation(n, "ENDED", launchers=1), started_at=100.0 * n, ended_at=100.0 * n + 90)
        for n in (3, 2, 1)
    ]
    assert not decide(POLICY, 8, idle).gave_up
    assert not decide(POLICY, 8, idle, fruitless={1, 2}).gave_up
    said = decide(POLICY, 8, idle, fruitless={1, 2, 3})
    assert said.gave_up
    assert (
        "the last 3 allocations ran nothing of what waits; the newest, 3: see `ambs why idle`" in said.reason
    )
    beside = replace(allocation(0, "ENDED", launchers=1), started_at=0.0, ended_at=250.0)
    assert not decide(POLICY, 8, [*idle, beside], fruitless={1, 2, 3}).gave_up  # it had what waits now
    assert decide(POLICY, 8, [*idle, replace(beside, ended_at=90.0)], fruitless={1, 2, 3}).gave_up


def test_batch_jobs_of_balsam_say_nothing_of_scripts() -> None:
    """Launchers of Balsam's never introduce themselves."""
    batches = [replace(allocation(number, "ENDED"), scheduler="balsam") for number in (3, 2, 1)]
    assert decide(POLICY, 8, batches).nodes == 2
    assert decide(POLICY, 8, [replace(one, state="RUNNING") for one in batches]).nodes == 2


def test_a_hold_is_told() -> None:
    """Somebody has to release it, and nothing is submitted meanwhile."""
    held = [replace(allocation(n, "HELD"), detail="PENDING JobHeldAdmin") for n in (2, 1)]
    assert decide(POLICY, 8, held).reason == "2 allocations wait already (1 is held: PENDING JobHeldAdmin)"


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
    """Also where all that is known is that they vanished: else one would be submitted at every pass."""
    broken = "the scheduler does not know it any more; no launcher started in it: module: command not found"
    vanished = [allocation(number, "VANISHED") for number in (3, 2, 1)]
    assert decide(POLICY, 10, vanished).gave_up
    said = decide(POLICY, 10, [replace(one, detail=broken) for one in vanished])
    assert said.gave_up
    assert "module: command not found" in said.reason
