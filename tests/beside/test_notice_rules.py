"""What is due follows from what was read and what was told, and from nothing else."""

from __future__ import annotations

from dataclasses import replace

from ambs_hpc.beside.notice_rules import (
    BEST_PAUSE_SECONDS,
    WAITING_SECONDS,
    CampaignReading,
    DueNotice,
    due_notices,
    failure_key,
)
from ambs_hpc.queue import EvaluationRow, FailureGroup, NoticeCounts, WaitingWork
from ambs_hpc.sites.notify_settings import EVENTS
from ambs_hpc.states import FailureKind, State

NOBODY = WaitingWork(ready=0, seconds=0.0, last_launcher_id=3, live_launchers=0, allocations=0)
QUIET = CampaignReading("net", "", 10, NoticeCounts(5, 0, 8, 0, 5), None, (), NOBODY)
BEST = EvaluationRow(
    *(17, 1, "net", 4, State.DONE, None, 1, 0.25, {"lr": 0.5}, {}, 0.0, 1.0, 2.0, "n1", None, 3, "", 0),
    *(0, 0, 0, "model", None, None, None),
)
GROUP = FailureGroup("net", FailureKind.ERROR, "ValueError: #", 1, 0.0, 0.0, 5)


def at(ended: int, enqueued: int = 8, paused: int = 0, added: int = 0) -> NoticeCounts:
    return NoticeCounts(ended, paused, enqueued, added, ended)


def kinds(reading: CampaignReading) -> list[str]:
    return [one.kind for one in due_notices(reading, EVENTS)]


def only(reading: CampaignReading) -> DueNotice:
    (notice,) = due_notices(reading, EVENTS)
    return notice


def test_a_new_best_is_told_once_and_not_every_second() -> None:
    """The first minutes of a campaign bring one after another; the last of them is the one that matters."""
    found = only(replace(QUIET, best=BEST))
    assert found == DueNotice(
        ("best/17",),
        "best",
        "net: new best 0.25, evaluation 17: lr=0.5",
        {"evaluation": 17, "objective": 0.25, "configuration": {"lr": 0.5}},
    )
    assert kinds(replace(QUIET, best=BEST, told={"best/17"})) == []
    assert kinds(replace(QUIET, best=BEST, best_told_seconds=BEST_PAUSE_SECONDS - 1.0)) == []
    assert kinds(replace(QUIET, best=BEST, best_told_seconds=BEST_PAUSE_SECONDS)) == ["best"]
    at_the_end = replace(QUIET, best=BEST, best_told_seconds=1.0, counts=at(10, 10))
    assert kinds(at_the_end) == ["best", "done"]


def test_what_ended_before_notices_were_asked_for_is_not_called_new() -> None:
    """An old campaign that gets `notify` told of a new best that was a week old."""
    old, new = replace(QUIET, told_from=2.5), replace(QUIET, told_from=1.5)
    assert only(replace(old, best=BEST)).text.startswith("net: best before notices were asked for 0.25, ")
    assert only(replace(new, best=BEST)).text.startswith("net: new best 0.25, ")
    assert only(replace(old, failures=[GROUP])).text.startswith("net: had failed before notices were asked")
    later = replace(GROUP, signature="OSError", first_at=3.0)
    assert only(replace(old, failures=[GROUP, later])).text.startswith("net: fails for the first time with ")


def test_new_signatures_come_in_one_notice() -> None:
    """Somebody who adds `notify` to an old campaign must not get two hundred messages."""
    groups = [replace(GROUP, signature=f"ValueError: {name}") for name in "abcde"]
    found = only(replace(QUIET, failures=groups))
    assert found.keys == tuple(map(failure_key, groups))
    assert found.text == (
        "net: fails for the first time with ERROR: ValueError: a (ambs logs 5 --stderr); "
        "ERROR: ValueError: b (ambs logs 5 --stderr); ERROR: ValueError: c (ambs logs 5 --stderr); "
        "and 2 more kinds"
    )
    told = set(map(failure_key, groups[:4]))
    assert only(replace(QUIET, failures=groups, told=told)).keys[-1] == failure_key(groups[4])
    assert kinds(replace(QUIET, failures=groups, told=set(map(failure_key, groups)))) == []


def test_a_hostile_error_stays_one_harmless_line() -> None:
    """What an evaluation prints goes to chats and terminals."""
    evil = replace(GROUP, signature="\x1b[2J" + "x" * 5000 + "\n")
    text = only(replace(QUIET, failures=[evil])).text
    assert "\x1b" not in text
    assert "\n" not in text
    assert len(text) <= 1000


def test_waiting_is_told_when_nobody_will_run_it() -> None:
    """A queue of the scheduler, a live launcher or a short pause is no reason to wake a person."""
    waiting = replace(QUIET, waiting=replace(NOBODY, ready=4, seconds=WAITING_SECONDS))
    found = only(waiting)
    assert found.keys == ("waiting/3",)
    assert found.text == (
        "net: 4 evaluations wait, and for 5 min 0 s no launcher has been alive and no allocation is on its "
        "way: ambs launch, or ambs submit"
    )
    for other in (
        replace(waiting.waiting, live_launchers=1),
        replace(waiting.waiting, allocations=1),
        replace(waiting.waiting, seconds=WAITING_SECONDS - 1.0),
        replace(waiting.waiting, ready=0),
    ):
        assert kinds(replace(waiting, waiting=other)) == []
    again = replace(waiting, told={"waiting/3"}, waiting=replace(waiting.waiting, last_launcher_id=4))
    assert kinds(again) == ["waiting"]


def test_the_end_and_its_nearness_are_told_one_after_the_other() -> None:
    """A raised budget tells anew; what people added does not bring the end nearer."""
    assert kinds(replace(QUIET, counts=at(7))) == []
    assert only(replace(QUIET, counts=at(8))).keys == ("budget/10",)
    assert kinds(replace(QUIET, counts=at(9, 11, added=2))) == []
    assert kinds(replace(QUIET, counts=at(8), told={"budget/10"})) == []
    assert kinds(replace(QUIET, counts=at(16, 18), budget=20, told={"budget/10"})) == ["budget"]
    done = only(replace(QUIET, counts=at(12, 12, added=2)))
    assert done.keys == ("done/12",)
    assert done.text == "net: done, 12 evaluations have ended; nothing succeeded"
    assert kinds(replace(QUIET, budget=None, counts=at(8))) == []
    assert kinds(replace(QUIET, budget=None, counts=at(8), is_exhausted=True)) == ["done"]
    assert kinds(replace(QUIET, budget=0, counts=at(0, 0))) == []


def test_paused_evaluations_do_not_keep_the_end_from_being_told() -> None:
    """With rungs most evaluations pause for good: a campaign would never be done."""
    near = only(replace(QUIET, counts=at(3, 9, paused=5)))
    assert near.text == "net: 3 of 10 evaluations have ended, 5 are paused; nothing succeeded"
    done = only(replace(QUIET, counts=at(4, 10, paused=6)))
    assert (done.keys, done.details["paused"]) == (("done/10",), 6)
    assert done.text == "net: done, 4 evaluations have ended, 6 are paused; nothing succeeded"


def test_of_several_objectives_the_one_that_is_told_is_named() -> None:
    """A bare number among three objectives says nothing."""
    assert only(replace(QUIET, objective="loss", best=BEST)).text.startswith("net: new best loss 0.25, eval")
    near = only(replace(QUIET, objective="loss", best=BEST, told={"best/17"}, counts=at(9)))
    assert near.text.endswith("; best loss 0.25, evaluation 17")


def test_results_of_which_none_is_feasible_did_succeed() -> None:
    """A campaign that ends with a hundred infeasible results did not fail: its bounds are too tight."""
    done = only(replace(QUIET, counts=at(12, 12), is_bounded=True))
    assert done.text == "net: done, 12 evaluations have ended; nothing feasible"


def test_only_what_is_asked_for_is_told() -> None:
    """`events` of ambs.yml."""
    reading = replace(QUIET, best=BEST, failures=[GROUP])
    assert [one.kind for one in due_notices(reading, {"failure"})] == ["failure"]


def test_giving_up_is_told_at_once_and_once() -> None:
    """After it nobody of ours may live who would tell it five minutes later."""
    waiting = replace(QUIET, waiting=replace(NOBODY, ready=4), gave_up="the last 3 ran no launcher")
    found = only(waiting)
    assert found.keys == ("waiting/3",)
    assert found.text == (
        "net: 4 evaluations wait, and no more allocations are asked for: the last 3 ran no launcher"
    )
    assert kinds(replace(waiting, told={"waiting/3"})) == []
    assert kinds(replace(waiting, waiting=replace(waiting.waiting, live_launchers=1))) == []
