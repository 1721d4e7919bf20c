"""Each reason for which an evaluation waits is named, with the command that mends it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ambs_hpc.insight.waiting_reasons import LivingLauncher, Need, waiting_reasons
from ambs_hpc.records import Allocation, Resources

NEED = Need(17, "net", Resources(nodes=4), 7200.0, ahead=3)
LAUNCHER = LivingLauncher(
    2, "nid1", slots=4, running=1, idle="no evaluation is ready", seconds_left=None, nodes=None
)
ALLOCATION = Allocation(
    id=3,
    site="polaris",
    scheduler="pbs",
    scheduler_id="41207",
    request={"nodes": 4},
    state="QUEUED",
    detail="Not Running: Insufficient ncpus",
    created_at=0.0,
    started_at=None,
    ends_at=None,
    ended_at=None,
    evaluations=0,
    launchers=0,
)


@pytest.mark.parametrize(
    ("changes", "code", "words", "command"),
    [
        ({"running": 4}, "busy", "all 4 slots of launcher 2 on nid1 are busy; 3 evaluations", "ambs status"),
        (
            {"idle": "refuses net: not registered here; no evaluation is ready"},
            "refused",
            "launcher 2 on nid1 refuses net: not registered here",
            "ambs allow",
        ),
        ({"idle": "draining"}, "draining", "it leases nothing more", "ambs submit --nodes 4 --time 125"),
        ({"nodes": 2}, "too_few_nodes", "needs 4 nodes, and launcher 2 on nid1 has 2", "--nodes 4"),
        (
            {"nodes": 4, "seconds_left": 1800.0},
            "too_little_time",
            "may run for 2 h 0 min, and launcher 2 on nid1 has 30 min 0 s left",
            "--time",
        ),
        ({"idle": "room is kept for evaluation 17"}, "room_kept", "keeps room for it", "ambs status"),
        ({"idle": "room is kept for evaluation 9"}, "launcher_says", "room is kept for evaluation 9", "17"),
        ({"idle": ""}, "may_start", "has free slots; 3 evaluations are leased before it", "ambs status"),
    ],
)
def test_a_launcher_that_lives_is_held_against_the_need(
    changes: dict[str, object], code: str, words: str, command: str
) -> None:
    """The nearest reason first: a refusal stands however much room there is."""
    (reason,) = waiting_reasons(NEED, [replace(LAUNCHER, **changes)], [], None)
    assert reason.code == code
    assert words in reason.words
    assert command in reason.command


def test_another_campaigns_refusal_is_none_of_this_one() -> None:
    """`net` must not be told that `net2` is refused."""
    idle = "refuses net2: not registered here"
    (reason,) = waiting_reasons(NEED, [replace(LAUNCHER, idle=idle, running=4)], [], None)
    assert reason.code == "busy"


def test_the_schedulers_own_words_are_told_without_a_launcher() -> None:
    """They are what a centre's support asks for."""
    (reason,) = waiting_reasons(NEED, [], [ALLOCATION], None)
    assert reason.code == "allocation_waits"
    expected = "allocation 3 (41207) on polaris is QUEUED; pbs says: Not Running: Insufficient ncpus"
    assert reason.words == expected
    (reason,) = waiting_reasons(NEED, [], [replace(ALLOCATION, state="RUNNING", detail="")], None)
    assert reason.code == "allocation_without_launcher"
    assert reason.words.endswith("is running and no launcher of it has been heard of")


def test_nothing_to_come_is_said_with_what_the_last_allocation_left() -> None:
    """Whoever submitted one yesterday wants to know what became of it."""
    (reason,) = waiting_reasons(NEED, [], [], None)
    assert (reason.code, reason.command) == ("no_launcher", "ambs launch")
    (reason,) = waiting_reasons(NEED, [], [], None, can_submit=True)
    assert reason.command == "ambs submit --nodes 4 --time 125"
    over = replace(ALLOCATION, state="REFUSED", detail="qsub: queue is full")
    last, nothing = waiting_reasons(NEED, [], [], over)
    assert (
        last.words
        == "the last allocation, allocation 3 (41207) on polaris, is over (REFUSED): qsub: queue is full"
    )
    assert nothing.code == "no_launcher"
