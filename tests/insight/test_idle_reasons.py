"""Each reason for idle slots is named, with the command that mends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ambs_hpc.insight.idle_reasons import CampaignSupply, SlotHolder, idle_reasons
from ambs_hpc.insight.scheduler_words import remedy
from ambs_hpc.insight.waiting_reasons import NO_FILE
from ambs_hpc.queue import LauncherNode, WaitingShape
from ambs_hpc.records import Resources
from tests.insight.test_waiting_reasons import ALLOCATION

SUPPLY = CampaignSupply(
    "net",
    ready=0,
    running=1,
    proposed=50,
    most=100,
    searching=True,
    succeeded=True,
    problem="net/p.py",
    allow="ambs allow net/p.py",
)
NODES = [LauncherNode(2, f"n{number}", 8, 2, 64.0, None) for number in (1, 2)]
HOLDER = SlotHolder(2, "n1", 4, 1, "search_thinks", "no evaluation is ready", 1800.0, NODES, None)
SHAPE = WaitingShape("net", Resources(), 600.0, 5, 17)
WAITS = [SHAPE]


def because(
    holder: SlotHolder | None = HOLDER,
    supply: CampaignSupply | None = SUPPLY,
    waiting: Sequence[WaitingShape] = (),
    **changes: object,
) -> list[tuple[str, str, str]]:
    holders = [] if holder is None else [replace(holder, **changes)]  # type: ignore[arg-type]
    found = idle_reasons(holders, [] if supply is None else [supply], waiting, [], None)
    return [(one.code, one.words, one.command) for one in found]


@pytest.mark.parametrize(
    ("supply", "code", "words", "command"),
    [
        ({}, "search_thinks", "the search of net is at work and has 1 evaluations in flight", "ambs status"),
        ({"proposed": 100}, "all_proposed", "all 100 evaluations of net are proposed", "ambs status"),
        (
            {"proposed": 100, "running": 0, "paused": 7, "searching": False},
            "all_proposed",
            "all have ended but 7 that are paused at rungs",
            "ambs search net/p.py --max-evaluations 200",
        ),
        (
            {"proposed": 100, "running": 3, "paused": 7},
            "all_proposed",
            "3 of them have not ended, 7 are paused at rungs",
            "ambs status",
        ),
        ({"searching": False}, "no_search", "net has proposed 50 of 100", "ambs search net/p.py"),
        (
            {"searching": False, "succeeded": False},
            "no_search",
            "nothing of it has succeeded",
            "ambs why failed",
        ),
    ],
)
def test_nothing_waits(supply: dict[str, object], code: str, words: str, command: str) -> None:
    """The search thinks, has proposed all, or is not there."""
    ((found, told, mends),) = because(supply=replace(SUPPLY, **supply))  # type: ignore[arg-type]
    assert (found, words in told, command in mends) == (code, True, True), (told, mends)
    assert told.startswith("launcher 2 on n1 has 3 of 4 slots free: ")


@pytest.mark.parametrize(
    ("shape", "changes", "code", "words", "command"),
    [
        (
            Resources(nodes=4),
            {},
            "other_shapes",
            "needs 4 nodes, and it has 2",
            "ambs submit --nodes 4 --time 15",
        ),
        (
            Resources(cores=9),
            {},
            "other_shapes",
            "needs 9 cores of a node, and its nodes have 8; ask with --queue or --site",
            "ambs check --nodes 1 --time 15",
        ),
        (
            Resources(gpus=4),
            {},
            "other_shapes",
            "needs 4 GPUs of a node, and its nodes have 2",
            "ambs check",
        ),
        (Resources(memory_gib=65), {}, "other_shapes", "needs 65 GiB of memory", "ambs check"),
        (Resources(cores=8), {}, "does_not_fit", "will not fit beside what runs", "ambs why 17"),
        (Resources(), {"running": 0}, "may_start", "about to start", "ambs status"),
        (
            Resources(),
            {"seconds_left": 300.0},
            "too_little_time",
            "may run for 10 min 0 s, and it has 5 min 0 s left",
            "--time 15",
        ),
        (
            Resources(),
            {"told": "too_little_time"},
            "too_little_time",
            "has taken longer so far",
            "ambs launch",
        ),
        (
            Resources(),
            {"words": "room is kept for evaluation 9"},
            "room_kept",
            "which starts once enough has ended",
            "ambs why 9",
        ),
    ],
)
def test_what_waits_does_not_start(
    shape: Resources, changes: dict[str, object], code: str, words: str, command: str
) -> None:
    """Each shape against the nodes that the launcher has told, and its time."""
    ((found, told, mends),) = because(waiting=[replace(SHAPE, resources=shape)], **changes)
    assert (found, words in told, command in mends) == (code, True, True), (told, mends)


def test_a_refusal_draining_and_nodes_in_trouble_are_told_in_the_launchers_words() -> None:
    """What it says itself is nearer than what rows let guess."""
    refused = because(waiting=WAITS, words="refuses net: not registered here; no evaluation is ready")
    assert [(one[0], one[2]) for one in refused] == [("refused", "ambs allow net/p.py")]
    broken = because(waiting=WAITS, words="refuses net: No module named 'torch'; no evaluation is ready")
    assert (broken[0][1][-19:], broken[0][2]) == ("; mend what it says", "ambs show 17")
    wide = [replace(SHAPE, resources=Resources(nodes=3))]
    ((code, told, _),) = because(waiting=wide, words="refuses net: Evaluation 7 asks for Resources(nodes=3)")
    assert (code, "cannot run net: what waits (5 of net) needs 3 nodes, and it has 2" in told) == (
        "other_shapes",
        True,
    )
    stale = because(words="refuses net: not registered here; no evaluation is ready")
    assert [one[0] for one in stale] == ["search_thinks"]
    both = [*WAITS, replace(SHAPE, campaign="tree", resources=Resources(cores=8))]
    several = because(waiting=both, words="refuses net: not registered here; no evaluation is ready")
    assert [one[0] for one in several] == ["refused", "does_not_fit"]
    assert because(words="draining")[0][0] == "draining"
    trouble = because(words="n2 is given up: no answer; no evaluation is ready", told="search_thinks")
    assert [one[0] for one in trouble] == ["node_trouble", "search_thinks"]
    assert trouble[0][1] == "launcher 2 on n1: n2 is given up: no answer"
    assert "ambs nodes" in trouble[0][2]
    wide = [replace(SHAPE, resources=Resources(cores=8))]  # would fit on n2, which is given up
    lost = because(waiting=wide, words="n2 is given up: no answer; what waits does not fit beside what runs")
    assert [one[0] for one in lost] == ["node_trouble"]
    assert because(told="busy", words="", running=4) == [
        ("busy", "launcher 2 on n1: all 4 slots are busy", "ambs status")
    ]


@pytest.mark.parametrize(
    ("fate", "code"), [("dead", "launcher_dead"), ("database_away", "database_away"), ("", "launcher_silent")]
)
def test_a_silent_launcher_is_dead_cut_off_or_unknown(fate: str, code: str) -> None:
    """By hand it is started again; in an allocation that one is cancelled first."""
    ((found, words, command),) = because(silent_seconds=200.0, fate=fate)
    assert (found, "3 min 20 s" in words) == (code, True)
    assert command
    inside = because(silent_seconds=200.0, fate=fate, allocation=replace(ALLOCATION, state="RUNNING"))
    assert inside[0][1].startswith("launcher 2 on n1 in allocation 3 (41207)")


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({}, "allocation_waits", "is QUEUED; pbs says: Not Running: Insufficient ncpus"),
        ({"state": "RUNNING"}, "allocation_without_launcher", "no launcher of it has been heard of"),
        ({"state": "RUNNING", "launchers": 1}, "launcher_ended", "its launcher has ended"),
    ],
)
def test_allocations_without_a_launcher_are_told(changes: dict[str, object], code: str, words: str) -> None:
    """One that waits, one whose script has not come to its launcher, one that is charged for nothing."""
    (found,) = idle_reasons([], [SUPPLY], WAITS, [replace(ALLOCATION, **changes)], None)  # type: ignore[arg-type]
    assert (found.code, words in found.words) == (code, True)


def test_nobody_is_there() -> None:
    """Then something is to be started, or all has been done."""
    ended = replace(
        ALLOCATION, state="ENDED", detail="FAILED 127; no launcher started in it: conda: not found"
    )
    (found,) = idle_reasons([], [SUPPLY], WAITS, [], ended)
    assert (found.code, found.command) == ("no_launcher", "ambs submit --nodes 4 --time 15")
    longer = replace(ended, request={"nodes": 1, "minutes": 120.0})
    assert idle_reasons([], [SUPPLY], WAITS, [], longer)[0].command == "ambs submit --nodes 1 --time 120"
    assert idle_reasons([], [SUPPLY], WAITS, [], None)[0].command == "ambs launch"
    (first,) = idle_reasons([], [SUPPLY], WAITS, [], None, can_submit=True)
    assert first.command == "ambs submit --nodes 1 --time 15"
    assert "wait, and 1 that a launcher held until it died go back" in found.words
    assert "; the last allocation, 3, is over (ENDED): FAILED 127" in found.words
    over = replace(SUPPLY, proposed=100, searching=False)
    assert because(None, over)[0][::2] == ("no_launcher", "ambs launch")
    assert because(None, replace(over, running=0))[0][0] == "all_done"
    dead = {"fate": "dead", "silent_seconds": 9.0, "running": 0}  # needs no successor where nothing is left
    assert because(HOLDER, replace(over, running=0), **dead)[0][0] == "all_done"
    assert because(HOLDER, replace(over, running=0), WAITS, **dead)[0][0] == "launcher_dead"
    both = [replace(HOLDER, **dead), replace(HOLDER, id=3)]  # type: ignore[arg-type]
    assert [one.code for one in idle_reasons(both, [SUPPLY], [], [], None)] == ["search_thinks"]
    (paused,) = because(None, replace(over, running=0, paused=2))
    assert "or is paused at a rung, where it waits for others that are proposed (2: " in paused[1]
    assert because(None, None)[0][2].startswith("ambs search PROBLEM")


DOWN = "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions"


@pytest.mark.parametrize(
    ("words", "meaning", "command"),
    [
        ("PENDING JobHeldUser", "you hold it", "scontrol release 7, or: qrls 7"),
        ("PENDING Dependency", "waits for the end", "ambs allocations"),
        ("PENDING Priority", "others come first", "less time"),
        ("Not Running: Insufficient amount of resource: ncpus", "not enough nodes are free", "fewer nodes"),
        ("Insufficient amount of resource: ncpus (R: 4 A: 0 T: 0)", "are down", "before enough nodes are up"),
        (f"PENDING ({DOWN})", "are down, drained", "before enough nodes are up"),
        (f"PENDING ({DOWN.replace(' ', '_')})", "are down, drained", "before enough nodes are up"),
        ("PENDING (ReqNodeNotAvail, UnavailableNodes:n[1-4])", "are down", "before enough nodes are up"),
        ("PENDING (PartitionDown)", "the queue is closed", "ambs check"),
        ("PENDING QOSMaxJobsPerUserLimit", "a limit of your user", "ambs check"),
        ("Can Never Run: can't fit in the largest node", "can ever satisfy it", "cancel"),
        ("PENDING (ReqNodeNotAvail, Reserved for maintenance)", "under maintenance", "less time"),
        ("something new", "", ""),
    ],
)
def test_a_schedulers_words_are_explained(words: str, meaning: str, command: str) -> None:
    """Slurm's reasons and PBS's comments; what is not known is not guessed."""
    found = remedy(words, "7")
    assert (meaning in found.meaning, command in found.command) == (True, True)


def test_no_command_has_words_that_a_shell_would_take_for_it() -> None:
    """It is pasted; what a person has to know besides stands before it."""
    silent = {
        "silent_seconds": 200.0,
        "allocation": replace(ALLOCATION, state="RUNNING", request={"nodes": 2}),
    }
    found = [
        *because(fate="dead", **silent),
        *because(fate="database_away", **silent),
        *because(fate="", **silent),
        *because(words="draining"),
        *because(supply=replace(SUPPLY, searching=False, problem=NO_FILE, folder="/home/me/net")),
    ]
    assert [command for _, _, command in found] == [
        "ambs allocations cancel 3 && ambs submit --nodes 2 --time 60",
        "ambs db status",
        "ambs why allocation 3",
        "ambs launch",
        "ambs search PROBLEM",
    ]
    assert found[-1][1].endswith("; PROBLEM is in /home/me/net")
