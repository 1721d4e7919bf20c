"""What a real OpenPBS of 2026 printed, read by us; and the fake, which must print the same."""

from __future__ import annotations

import getpass
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ambs_hpc.errors import SubmissionRejected
from ambs_hpc.schedulers import (
    AllocationState,
    AllocationStatus,
    Completed,
    CouldNotAsk,
    CurrentAllocation,
    SchedulerCommand,
    StatusAnswer,
    Submission,
    SubmitRequest,
    ask,
    submit,
    with_status,
)
from ambs_hpc.schedulers.pbs.entries import processors_of
from ambs_hpc.schedulers.pbs.scheduler import Pbs, read_cancel, read_find, read_submission
from ambs_hpc.sites import AllocationRequest, LaunchPlan, load_site, render_script, write_script
from tests.databases import wait_until
from tests.schedulers.fakes import FakeScheduler
from tests.schedulers.pbs_recordings import in_text, recorded

SERVER = "polaris-pbs-01.hsn.cm.polaris.example.org"
PBS = Pbs("alice")


def answered(name: str, *numbers: str) -> StatusAnswer:
    answer = PBS.status([f"{number}.{SERVER}" for number in numbers]).read(recorded(name))
    assert isinstance(answer, StatusAnswer), answer
    return answer


def status_in(name: str, number: str) -> AllocationStatus:
    return answered(name, number).known[f"{number}.{SERVER}"]


# ---- several at once


def test_all_of_several_are_told() -> None:
    """Each under its own id; the JSON of the same server holds the first one only, with exit code 0."""
    asked = ("16", "17", "19", "20")
    answer = answered("several_ids_text", *asked)
    states = {key.partition(".")[0]: status.state.value for key, status in answer.known.items()}
    assert states == {"16": "RUNNING", "17": "RUNNING", "19": "QUEUED", "20": "QUEUED"}
    assert not answer.vanished | answer.unanswered
    for name in ("several_ids_json", "several_ids_json_short"):
        cut = answered(name, *asked)
        assert len(cut.known) == 1, "this server prints all: the text is not needed any more"
        assert len(cut.unanswered) == 3, "silence is no answer"


def test_the_text_of_jobs_that_were_recorded_as_json_is_what_qstat_prints() -> None:
    """Four jobs, recorded in the same second in both forms."""
    as_text = answered("several_ids_text", "16", "17", "19", "20")
    assert answered("no_ids_json", "16", "17", "19", "20") == as_text


def test_ended_and_unknown_ones_are_told_beside_living_ones() -> None:
    """Three kinds of answers to one question; how one ended is asked once more."""
    ids = [f"1.{SERVER}", f"0.{SERVER}", "999999.polaris-pbs-01"]
    question = PBS.status(ids).read(recorded("mixed"))
    assert isinstance(question, SchedulerCommand)
    assert question.argv == ("qstat", "-x", "-f", f"0.{SERVER}")
    answer = question.read(recorded("finished_x_json"))
    assert isinstance(answer, StatusAnswer)
    assert {each: status.state.value for each, status in answer.known.items()} == {
        f"1.{SERVER}": "RUNNING",
        f"0.{SERVER}": "ENDED",
    }
    assert answer.vanished == {"999999.polaris-pbs-01"}
    assert answered("unknown", "999999").vanished == {f"999999.{SERVER}"}


# ---- states


@pytest.mark.parametrize(
    ("name", "number", "state", "words"),
    [
        ("running_text", "1", "RUNNING", "Job run at"),
        ("running_json", "1", "RUNNING", "Job run at"),
        ("queued_noscheduling", "19", "QUEUED", ""),
        ("suspended_json", "17", "HELD", "Job run at"),
        ("array_f_json", "38[]", "RUNNING", "Job Array Began"),
        ("deleted_running_x_json", "1", "ENDING", "terminated by alice@"),
    ],
)
def test_states_of_the_living(name: str, number: str, state: str, words: str) -> None:
    """One that was deleted stays R, in substate 42, until its processes have ended: it never runs again."""
    status = status_in(name, number)
    assert (status.state.value, words in status.comment) == (state, True)
    assert (status.ends_at is not None) == (status.started_at is not None and state != "HELD")


@pytest.mark.parametrize(
    ("name", "number", "words"),
    [
        ("finished_x_json", "0", "and finished; exit status 0"),
        ("walltime_kill_x_json", "19", "exit status -29 (killed at the end of its walltime)"),
        ("node_lost_x_json", "15", "exit status 271 (signal 15)"),
        ("primary_lost_x_json", "36", "exit status -20 (its first node was lost)"),
        ("held_deleted", "18", "and terminated; ended without having run"),
    ],
)
def test_how_one_ended_is_told(name: str, number: str, words: str) -> None:
    """F alone is no success."""
    status = status_in(name, number)
    assert status.state is AllocationState.ENDED
    assert status.comment.endswith(words)


def test_what_is_granted_of_each_node_is_read() -> None:
    """`select=N` alone asks for one processor of each node, which two allocations then share."""
    shared = status_in("suspended_json", "17")
    assert (shared.processors, shared.is_exclusive) == ({"x3001c0s1b0n0": 1, "x3001c0s1b1n0": 1}, False)
    two = status_in("primary_lost_x_json", "36")
    assert set(two.processors.values()) == {2}
    assert status_in("queued_noscheduling", "19").processors == {}
    several = (
        "(n1:ncpus=16:ngpus=1)+(n1:ncpus=16:ngpus=1)+(n2[0]:ncpus=4:mem=1kb+n2[1]:ncpus=3)+(n3.hsn:ngpus=1)"
    )
    assert processors_of(several) == {"n1": 32, "n2": 7}


@pytest.mark.parametrize(
    ("name", "number", "state", "words"),
    [
        ("can_never_run", "9", "QUEUED", "Can Never Run: Not enough total nodes available"),
        ("qhold_running", "17", "RUNNING", "Job held by aliceon Wed Nov 25 04:47:15 2026"),
    ],
)
def test_what_only_the_comment_says_is_kept(name: str, number: str, state: str, words: str) -> None:
    """Of these the single lines were recorded; a hold of a running one changes nothing."""
    lines = f"Job Id: {number}.{SERVER}\n{recorded(name).stdout}"
    answer = PBS.status([f"{number}.{SERVER}"]).read(Completed(0, lines, ""))
    assert isinstance(answer, StatusAnswer)
    status = answer.known[f"{number}.{SERVER}"]
    assert (status.state.value, status.comment) == (state, words)


def test_a_history_that_tells_of_the_first_only_leaves_the_others_ended() -> None:
    """That they are over is certain all the same."""
    ids = [f"{number}.{SERVER}" for number in (1, 2, 3)]
    over = "".join(
        f"qstat: {each} Job has finished, use -x or -H to obtain historical job information\n" for each in ids
    )
    question = PBS.status(ids).read(Completed(35, "", over))
    assert isinstance(question, SchedulerCommand)
    answer = question.read(recorded("x_several_json"))
    assert isinstance(answer, StatusAnswer)
    assert {status.state for status in answer.known.values()} == {AllocationState.ENDED}
    assert [bool(answer.known[each].comment) for each in ids] == [True, False, False]
    assert isinstance(PBS.status([f"0.{SERVER}"]).read(recorded("finished_without_x")), SchedulerCommand)


def test_the_newest_qdel_names_the_first_wrong_id_only() -> None:
    """So an id without an objection is not certainly ending; its status says so."""
    stderr = recorded("deleted_queued_x").stderr.splitlines(keepends=True)[-1]
    answer = read_cancel(Completed(35, "", stderr), [f"0.{SERVER}", "9999"])
    assert not isinstance(answer, CouldNotAsk)
    assert answer.refused == {f"0.{SERVER}": "Job has finished"}


# ---- servers


def test_a_server_that_is_away_says_nothing_about_allocations() -> None:
    """Four commands, three sentences, two exit codes."""
    for name in ("server_down_qstat", "server_host_unreachable_qstat"):
        assert isinstance(PBS.status(["16"]).read(recorded(name)), CouldNotAsk)
    for name in ("server_down_qsub", "server_host_unreachable_qsub"):
        assert isinstance(read_submission(recorded(name)), CouldNotAsk)
    assert isinstance(read_cancel(recorded("server_down_qdel"), ["16"]), CouldNotAsk)
    alone = replace(recorded("server_down_qdel"), stderr=f"Couldn't connect to cluster: {SERVER}\n")
    assert isinstance(read_cancel(alone, ["16"]), CouldNotAsk)
    assert isinstance(read_find(recorded("server_down_qselect"), None), CouldNotAsk)


def test_ids_that_pbs_cannot_read_are_no_answer() -> None:
    """Exit code 1, and nothing about any of them."""
    assert isinstance(PBS.status(["16", "17"]).read(recorded("comma_ids")), CouldNotAsk)


def test_without_history_what_has_ended_has_vanished() -> None:
    """-x is refused with exit code 0."""
    assert answered("nohist_finished", "20").vanished == {f"20.{SERVER}"}
    ended = f"qstat: 20.{SERVER} Job has finished, use -x or -H to obtain historical job information"
    question = PBS.status([f"20.{SERVER}"]).read(Completed(35, "", ended))
    assert isinstance(question, SchedulerCommand)
    answer = question.read(recorded("nohist_x"))
    assert isinstance(answer, StatusAnswer)
    assert answer.known[f"20.{SERVER}"].state is AllocationState.ENDED
    instead = PBS.find(REQUEST).read(recorded("nohist_qselect"))
    assert isinstance(instead, SchedulerCommand)
    assert "-x" not in instead.argv
    unknown = read_cancel(recorded("nohist_qdel_finished"), ["20"])
    assert not isinstance(unknown, CouldNotAsk)
    assert unknown.refused == {"20": "Unknown Job Id"}


REFUSED = {
    "qsub_bad_walltime": "Illegal attribute or resource value Resource_List.walltime",
    "qsub_from_route_only": "Access to queue is denied",
    "qsub_hook_reject": "you must specify a project/account",
    "qsub_limits": "Job violates queue and/or server resource limits",
    "qsub_script_missing": "No such file or directory",
    "qsub_unknown_queue": "Unknown queue",
    "qsub_unknown_resource": "Unknown resource Resource_List.foo",
}
REQUEST = SubmitRequest(Path("/run/a.sh"), "ambs-7", Path("/run"), 600)


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_are_in_pbs_own_words(name: str) -> None:
    """Those of hooks too."""
    with pytest.raises(SubmissionRejected, match=REFUSED[name]):
        read_submission(recorded(name))


# ---- the fake


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeScheduler]:
    queues = {
        "workq": {},
        "debug": {"max_nodes": 2},
        "small": {"max_nodes": 2, "from_route_only": True},
        "prod": {"route": ["small"]},
    }
    with FakeScheduler("pbs", tmp_path / "fake", queues=queues, hosts=["n1", "n2"], kill_seconds=0.3) as made:
        yield made


def run(fake: FakeScheduler, *argv: str) -> Completed:
    made = subprocess.run(argv, capture_output=True, text=True, env=fake.environ(), check=False)
    return Completed(made.returncode, made.stdout, made.stderr)


def qsub(fake: FakeScheduler, folder: Path, *options: str, body: str = "sleep 60") -> Completed:
    script = folder / "s.sh"
    script.write_text(f"#!/bin/bash\n{body}\n")
    return run(fake, "qsub", "-o", str(folder), "-e", str(folder), *options, str(script))


ON_THE_FAKE = {
    "qsub_bad_walltime": ("-l", "walltime=xx"),
    "qsub_from_route_only": ("-q", "small"),
    "qsub_limits": ("-q", "debug", "-l", "select=3"),
    "qsub_unknown_queue": ("-q", "nosuch"),
    "qsub_unknown_resource": ("-l", "foo=1"),
    "server_down_qsub": (),
}


def test_the_fake_refuses_in_the_recorded_words(fake: FakeScheduler, tmp_path: Path) -> None:
    """With the recorded exit codes."""
    fake.set(paused=True, server=SERVER)
    for name, options in ON_THE_FAKE.items():
        fake.set(unreachable=name.startswith("server_down"))
        assert qsub(fake, tmp_path, *options) == recorded(name), name
    for verb in ("qstat", "qdel"):
        answer = run(fake, verb, "16")
        one = recorded(f"server_down_{verb}")
        assert (answer.exit_code, answer.stderr) == (one.exit_code, one.stderr)
    fake.set(unreachable=False, needs_project=True)
    assert qsub(fake, tmp_path) == recorded("qsub_hook_reject")


def test_the_fakes_json_holds_the_first_of_several_only(fake: FakeScheduler, tmp_path: Path) -> None:
    """As recorded; our question gets them all."""
    fake.set(paused=True)
    ids = [qsub(fake, tmp_path).stdout.strip() for _ in range(3)]
    first = in_text(run(fake, "qstat", "-f", "-F", "json", *ids).stdout)
    assert [first.count(f"Job Id: {each}\n") for each in ids] == [1, 0, 0]
    answer = ask(PBS.status(ids), environ=fake.environ())
    assert isinstance(answer, StatusAnswer)
    assert list(answer.known) == ids


def test_what_no_route_takes_is_gone_at_once(fake: FakeScheduler, tmp_path: Path) -> None:
    """It has an id, as recorded, and is unknown with the history too."""
    assert read_submission(recorded("qsub_route_impossible")) == Submission(f"14.{SERVER}")
    fits = qsub(fake, tmp_path, "-q", "prod", "-l", "select=2").stdout.strip()
    gone = qsub(fake, tmp_path, "-q", "prod", "-l", "select=9").stdout.strip()
    answer = ask(PBS.status([fits, gone]), environ=fake.environ())
    assert isinstance(answer, StatusAnswer)
    assert (answer.known[fits].queue, answer.vanished) == ("small", {gone})
    assert run(fake, "qstat", "-x", "-f", gone).exit_code == 153


def test_whole_nodes_are_not_shared_and_others_are(fake: FakeScheduler, tmp_path: Path) -> None:
    """Two allocations on the same node would each use all of its processors."""
    fake.set(hosts=["n1"])
    sharing = [qsub(fake, tmp_path, "-l", "select=1").stdout.strip() for _ in range(2)]
    wait_until(lambda: states(fake, *sharing) == ["RUNNING", "RUNNING"], 15.0)
    assert {one["hosts"][0] for one in fake.allocations()} == {"n1"}
    assert seen_from_within(fake, sharing[1]) == ((1,), False)
    whole = [submit_ours(fake, tmp_path, name) for name in ("ambs-1", "ambs-2")]
    assert run(fake, "qdel", *sharing).exit_code == 0
    wait_until(lambda: states(fake, *whole) == ["RUNNING", "QUEUED"], 15.0)
    assert seen_from_within(fake, whole[0]) == ((1,), True)


def seen_from_within(fake: FakeScheduler, scheduler_id: str) -> tuple[tuple[int, ...], bool]:
    """What a launcher in it learns: processors of its node, and whether nobody else gets that."""
    here = with_status(PBS, CurrentAllocation(scheduler_id, ("n1.cluster",)), environ=fake.environ())
    assert not isinstance(here, CouldNotAsk)
    return here.processors, here.is_exclusive


def submit_ours(fake: FakeScheduler, folder: Path, name: str) -> str:
    """One node, asked for by our own template."""
    plan = LaunchPlan(["sleep", "60"], 1, folder / name)
    text = render_script(load_site("pbs"), AllocationRequest(1, 10, folder), plan)
    script = folder / f"{name}.sh"
    write_script(script, text)
    pbs = Pbs(getpass.getuser())
    environ = fake.environ(dict(os.environ) | {"HOME": str(folder)})
    answer = submit(pbs, SubmitRequest(script, name, folder, 600), environ=environ)
    assert isinstance(answer, Submission)
    return answer.scheduler_id


def states(fake: FakeScheduler, *ids: str) -> list[str]:
    answer = ask(PBS.status(ids), environ=fake.environ())
    assert isinstance(answer, StatusAnswer)
    return [answer.known[each].state.value for each in ids]


def test_a_deleted_one_is_ending_until_it_has_ended(fake: FakeScheduler, tmp_path: Path) -> None:
    """And what waits for its end starts then."""
    body = "trap '' TERM; touch begun; while :; do sleep 0.05; done"
    fake.set(hosts=["n1", "n2"], kill_seconds=1.0)
    first = qsub(fake, tmp_path, body=f"cd {tmp_path}; {body}").stdout.strip()
    second = qsub(fake, tmp_path, "-W", f"depend=afterany:{first}").stdout.strip()
    wait_until(lambda: (tmp_path / "begun").exists(), 15.0)
    assert states(fake, first, second) == ["RUNNING", "HELD"]
    run(fake, "qdel", first)
    seen = ["ENDING"]

    def is_over() -> bool:
        seen.append(states(fake, first)[0])
        return seen[-1] == "ENDED"

    wait_until(is_over, 15.0)
    assert set(seen) == {"ENDING", "ENDED"}
    wait_until(lambda: states(fake, second) == ["RUNNING"], 15.0)


def test_the_log_is_there_while_the_allocation_runs(fake: FakeScheduler, tmp_path: Path) -> None:
    """PBS itself would bring it at the end only."""
    plan = LaunchPlan(["bash", "-c", "echo said; echo complained >&2; sleep 60"], 1, tmp_path / "1")
    text = render_script(load_site("pbs"), AllocationRequest(1, 10, tmp_path), plan)
    script = tmp_path / "1.sh"
    write_script(script, text)
    scheduler_id = run(fake, "qsub", str(script)).stdout.strip()
    wait_until(
        lambda: (tmp_path / "1.error").exists() and "complained" in (tmp_path / "1.error").read_text(), 15.0
    )
    assert states(fake, scheduler_id) == ["RUNNING"]
    assert (tmp_path / "1.output").read_text() == "said\n"
    assert not (tmp_path / "1.pbs").exists()
    run(fake, "qdel", scheduler_id)
    wait_until((tmp_path / "1.pbs").exists, 15.0)
