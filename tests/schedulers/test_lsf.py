"""LSF: what its commands are given, and how their answers are read.

The texts are those of IBM's manual pages; none was recorded on a real machine.
"""

from __future__ import annotations

import getpass
import os
import subprocess
from pathlib import Path

import pytest

from ambs_hpc.errors import AllocationUnreadable, SubmissionRejected, SubmissionUnclear
from ambs_hpc.schedulers import (
    AllocationState,
    AllocationStatus,
    CancelAnswer,
    Completed,
    CouldNotAsk,
    StatusAnswer,
    Submission,
    SubmitRequest,
    ask,
    submit,
)
from ambs_hpc.schedulers.lsf import Lsf, read_cancel, read_find, read_status, read_submission
from ambs_hpc.schedulers.times import month_and_minute
from tests.databases import wait_until
from tests.schedulers.fakes import FakeScheduler

NOW = 1795786200.0  # 2026-11-27 13:30:00 UTC
RUNNING = "7|RUN|batch|2|84|Nov 27 13:19|617 second(s)|Nov 27 15:20 L|120.0|-|-|-|ambs-7\n"


def status(row: str) -> AllocationStatus:
    answer = read_status(Completed(0, row, ""), ["7"], lambda: NOW)
    assert isinstance(answer, StatusAnswer)
    return answer.known["7"]


def test_a_running_allocation_has_its_times_to_the_second() -> None:
    """bjobs prints minutes without a year; the time that it has run tells the second."""
    started_at = NOW - 617
    assert status(RUNNING) == AllocationStatus(
        scheduler_id="7",
        state=AllocationState.RUNNING,
        own_state="RUN",
        name="ambs-7",
        queue="batch",
        nodes=2,
        walltime_seconds=7200,
        started_at=started_at,
        ends_at=started_at + 7200,
    )


@pytest.mark.parametrize(
    ("row", "state", "own_state", "comment"),
    [
        ("PEND|q|-|84|-|0 second(s)|-|120.0|-|New job is waiting for scheduling;|-", "QUEUED", "PEND", "New"),
        (
            "PEND|q|-|84|-|0 second(s)|-|120.0|-|Job dependency condition not satisfied;|-",
            "HELD",
            "PEND",
            "Job dep",
        ),
        (
            "PSUSP|q|-|84|-|0 second(s)|-|120.0|-|Suspended by the owner or admin;|-",
            "HELD",
            "PSUSP",
            "Suspended",
        ),
        ("PROV|q|-|84|-|0 second(s)|-|120.0|-|-|-", "STARTING", "PROV", ""),
        ("SSUSP|q|2|84|Nov 27 13:20|9 second(s)|-|120.0/host|-|-|-", "HELD", "SSUSP", ""),
        ("UNKWN|q|2|84|Nov 27 13:20|9 second(s)|-|120.0|-|-|-", "UNKNOWN", "UNKWN", ""),
        ("DONE|q|2|84|Nov 27 13:20|9 second(s)|Nov 27 13:21|120.0|-|-|-", "ENDED", "DONE", ""),
        (
            "EXIT|q|2|84|Nov 27 13:20|9 second(s)|Nov 27 13:21|120.0|143|-|TERM_RUNLIMIT: job killed",
            "ENDED",
            "EXIT 143",
            "TERM_RUNLIMIT",
        ),
    ],
)
def test_states_of_lsf_are_ours(row: str, state: str, own_state: str, comment: str) -> None:
    """A hold waits for somebody; what LSF cannot reach may be alive."""
    one = status(f"7|{row}|ambs-7\n")
    assert (one.state, one.own_state) == (AllocationState(state), own_state)
    assert one.comment.startswith(comment)
    assert bool(one.comment) == bool(comment)
    assert one.walltime_seconds == 7200


def test_times_belong_to_the_nearest_year() -> None:
    """At the turn of the year, in both directions, and on a leap day."""
    new_year = 1798761600.0  # 2027-01-01
    assert month_and_minute("Dec 31 23:59 L", new_year + 100) == new_year - 60
    assert month_and_minute("Jan  1 00:01", new_year - 100) == new_year + 60
    assert month_and_minute("Feb 29 12:00", NOW) is None  # neither of the years around has one
    assert month_and_minute("-", NOW) is None


def test_every_id_has_its_answer() -> None:
    """One command for known and unknown ones; what it does not mention stays as it was."""
    completed = Completed(255, RUNNING, "Job <8> is not found\n")
    answer = read_status(completed, ["7", "8", "9"], lambda: NOW)
    assert isinstance(answer, StatusAnswer)
    assert (list(answer.known), answer.vanished, answer.unanswered) == (["7"], {"8"}, {"9"})


@pytest.mark.parametrize("words", ["LSF is down. Please wait ...", "Failed in an LSF library call: x"])
def test_a_server_that_does_not_answer_says_nothing_about_allocations(words: str) -> None:
    """No state follows from its words."""
    completed = Completed(255, "", words)
    assert isinstance(read_status(completed, ["7"], lambda: NOW), CouldNotAsk)
    assert isinstance(read_find(completed, "ambs-7"), CouldNotAsk)
    assert isinstance(read_cancel(completed, ["7"]), CouldNotAsk)


def test_answers_of_bsub() -> None:
    """Taken, refused, not reached, and unclear: four decisions for the caller."""
    taken = "Filter: charged to ABC\nJob <12> is submitted to default queue <batch>.\n"
    assert read_submission(Completed(0, taken, "noise")) == Submission("12")
    with pytest.raises(SubmissionRejected, match="No such queue"):
        read_submission(Completed(255, "", "fast: No such queue. Job not submitted.\n"))
    down = "LSF is down. Please wait ...\nConnection refused. Job not submitted.\n"
    assert isinstance(read_submission(Completed(255, "", down)), CouldNotAsk)
    assert isinstance(read_submission(Completed(127, "", "sh: 1: exec: bsub: not found")), CouldNotAsk)
    for unclear in (
        Completed(0, "", ""),
        Completed(255, "", "Communication time out"),
        Completed(-9, "", ""),
    ):
        with pytest.raises(SubmissionUnclear):
            read_submission(unclear)


def test_answers_of_bkill() -> None:
    """One line for each id."""
    completed = Completed(255, "Job <7> is being terminated\n", "Job <8>: Job has already finished\n")
    assert read_cancel(completed, ["7", "8"]) == CancelAnswer(
        frozenset({"7"}), {"8": "Job has already finished"}
    )


def test_what_it_follows_is_told_to_bsub(tmp_path: Path) -> None:
    """However the former one ends."""
    argv = Lsf("alice").submit(SubmitRequest(tmp_path / "a.sh", "ambs-2", tmp_path, 60, after="12")).argv
    assert argv[-4:] == ("-J", "ambs-2", "-w", "ended(12)")


NODES = {
    "host file": {"LSB_DJOB_HOSTFILE": "file", "LSB_MCPU_HOSTS": "wrong 1"},
    "counts": {"LSB_MCPU_HOSTS": "batch1 1 h1 42 h2 42 "},
    "words": {"LSB_HOSTS": "batch1 h1 h1 h2"},
}


@pytest.mark.parametrize("case", NODES)
def test_nodes_are_found_in_each_of_the_lists(case: str) -> None:
    """The longest allocations have no LSB_HOSTS; a service node stands first where it is listed."""
    texts = {"file": "batch1\nh1\nh1\nh2\n"}
    here = Lsf("alice").current_allocation({"LSB_JOBID": "7", **NODES[case]}, texts.__getitem__)
    assert here is not None
    assert (here.scheduler_id, here.nodes, here.ends_at) == ("7", ("batch1", "h1", "h2"), None)


def test_an_allocation_without_nodes_is_unreadable() -> None:
    """Better an end than a launcher on one node of a hundred."""
    with pytest.raises(AllocationUnreadable, match="allocation 7: neither LSB_DJOB_HOSTFILE"):
        Lsf("alice").current_allocation({"LSB_JOBID": "7"}, str)


def test_hold_release_and_change_are_seen(tmp_path: Path) -> None:
    """By a person with LSF's own commands; variables of the shell do not silence bsub."""
    with FakeScheduler("lsf", tmp_path / "fake", paused=True) as fake:
        environ = fake.environ(dict(os.environ) | {"BSUB_QUIET": "y"})
        lsf = Lsf(getpass.getuser())
        script = tmp_path / "a.sh"
        script.write_text("#!/bin/bash\n#BSUB -n 8\n#BSUB -R span[ptile=4]\n#BSUB -W 0:10\nsleep 60\n")
        taken = submit(lsf, SubmitRequest(script, "ambs-1", tmp_path, 600), environ=environ)
        assert taken == Submission("1")

        def seen() -> AllocationStatus:
            answer = ask(lsf.status(["1"]), environ=environ)
            assert isinstance(answer, StatusAnswer)
            return answer.known["1"]

        assert (seen().state, seen().walltime_seconds) == (AllocationState.QUEUED, 600)
        for words, state in (("bstop 1", "HELD"), ("bresume 1", "QUEUED")):
            subprocess.run(words.split(), env=environ, check=True, stdout=subprocess.DEVNULL)
            assert seen().state is AllocationState(state)
        subprocess.run(["bmod", "-W", "1:00", "1"], env=environ, check=True, stdout=subprocess.DEVNULL)
        assert seen().walltime_seconds == 3600
        fake.set(paused=False)
        wait_until(lambda: seen().state is AllocationState.RUNNING, 15.0)
        assert seen().nodes == 2


def test_what_lsf_has_forgotten_has_vanished(tmp_path: Path) -> None:
    """An hour after its end, unless the site has chosen otherwise."""
    with FakeScheduler("lsf", tmp_path / "fake", history=False) as fake:
        lsf = Lsf(getpass.getuser())
        script = tmp_path / "a.sh"
        script.write_text("#!/bin/bash\n#BSUB -W 10\ntrue\n")
        taken = submit(lsf, SubmitRequest(script, "ambs-1", tmp_path, 600), environ=fake.environ())
        assert taken == Submission("1")
        wait_until(
            lambda: (
                ask(lsf.status(["1"]), environ=fake.environ()) == StatusAnswer({}, vanished=frozenset({"1"}))
            ),
            15.0,
        )
