"""What PBS prints on both streams, and what its exit codes mean."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from ambs_hpc.errors import AllocationUnreadable, SubmissionRejected, SubmissionUnclear
from ambs_hpc.schedulers import (
    AllocationState,
    AllocationStatus,
    CancelAnswer,
    Completed,
    CouldNotAsk,
    CurrentAllocation,
    SchedulerCommand,
    StatusAnswer,
    Submission,
    SubmitRequest,
)
from ambs_hpc.schedulers.pbs.scheduler import Pbs, read_cancel, read_submission
from tests.schedulers.pbs_recordings import in_text

RECORDED = Path(__file__).parent / "recorded" / "pbs"
PBS = Pbs("alice")
REQUEST = SubmitRequest(Path("/run/a.sh"), "ambs-7", Path("/run"), 600)


def recorded(name: str) -> Completed:
    """A recorded output, JSON in its text form: `qstat:` lines on stderr, `rc=` for the exit code."""
    lines = (RECORDED / name).read_text().splitlines()
    code = next((int(line[3:]) for line in lines if line.startswith("rc=")), 0)
    errors = [line for line in lines if line.startswith(("qstat:", "qsub:", "Connection"))]
    stdout = "\n".join(line for line in lines if line not in errors and not line.startswith("rc="))
    return Completed(code, in_text(stdout.lstrip()), "\n".join(errors))


def answered(name: str, *ids: str) -> StatusAnswer:
    answer = PBS.status(ids).read(recorded(name))
    assert isinstance(answer, StatusAnswer)
    return answer


def test_one_command_asks_for_all_without_history() -> None:
    """Servers without history refuse -x altogether."""
    assert PBS.status(["40.pbs", "41.pbs"]).argv == ("qstat", "-f", "40.pbs", "41.pbs")
    assert PBS.submit(REQUEST).argv == ("qsub", "-N", "ambs-7", "/run/a.sh")


def test_a_chain_waits_for_the_end_of_the_one_before() -> None:
    """However that ends."""
    argv = PBS.submit(replace(REQUEST, after="40.pbs")).argv
    assert argv == ("qsub", "-N", "ambs-7", "-W", "depend=afterany:40.pbs", "/run/a.sh")


def test_a_running_allocation_is_read_whole() -> None:
    """The end of walltime comes from what the server granted."""
    assert answered("qstat_running.json", "40.pbs").known["40.pbs"] == AllocationStatus(
        scheduler_id="40.pbs",
        state=AllocationState.RUNNING,
        own_state="R",
        name="node_agent",
        queue="workq",
        nodes=2,
        walltime_seconds=600,
        started_at=1795420069.0,
        ends_at=1795420669.0,
        comment="Job run at Mon Nov 23 at 07:47 on (p1:ncpus=64:ngpus=4)+(p2:ncpus=64:ngpus=4)",
        processors={"p1": 64, "p2": 64},
        is_exclusive=True,
    )


def test_waiting_ones_are_read_with_their_reason() -> None:
    """`Can Never Run` is only ever said in the comment."""
    queued = answered("qstat_queued.json", "41.pbs").known["41.pbs"]
    assert (queued.state, queued.started_at, queued.ends_at) == (AllocationState.QUEUED, None, None)
    assert queued.comment == "Not Running: Not enough free nodes available"
    assert answered("qstat_held.json", "42.pbs").known["42.pbs"].state is AllocationState.HELD
    assert answered("qstat_all.json", "43[].pbs").known["43[].pbs"].state is AllocationState.RUNNING


def test_ids_match_whatever_the_length_of_the_servers_name() -> None:
    """qsub prints a longer name than qstat does."""
    answer = answered("qstat_running.json", "40.pbs.hsn.example.org")
    assert answer.known["40.pbs.hsn.example.org"].scheduler_id == "40.pbs.hsn.example.org"


def test_unknown_ids_have_vanished() -> None:
    """Nothing is on stdout, and the exit code is 153."""
    assert answered("qstat_unknown.out", "99999.pbs") == StatusAnswer({}, vanished=frozenset({"99999.pbs"}))


def test_how_an_ended_one_ended_is_asked_once_more() -> None:
    """Its line on stderr says only that it has finished; that it ended is certain even if history fails."""
    question = PBS.status(["43[].pbs", "99999.pbs"]).read(recorded("qstat_mixed.out"))
    assert isinstance(question, SchedulerCommand)
    assert question.argv == ("qstat", "-x", "-f", "43[].pbs")
    without = question.read(Completed(255, "", "cannot connect to server"))
    ended = AllocationStatus("43[].pbs", AllocationState.ENDED, "F")
    assert without == StatusAnswer({"43[].pbs": ended}, vanished=frozenset({"99999.pbs"}))


def test_history_tells_the_exit_status() -> None:
    """F alone is no success: 271 is a signal, and without a status it never ran."""
    finished = "qstat: 40.pbs Job has finished, use -x or -H to obtain historical job information"
    question = PBS.status(["40.pbs"]).read(Completed(35, "", finished))
    assert isinstance(question, SchedulerCommand)
    text = recorded("qstat_deleted_finished.json").stdout
    answer = question.read(Completed(0, text, ""))
    assert isinstance(answer, StatusAnswer)
    status = answer.known["40.pbs"]
    assert (status.state, status.ends_at) == (AllocationState.ENDED, 1795420080.0)
    assert status.comment.endswith("terminated by alice@pbs; exit status 271 (signal 15)")
    never_ran = "".join(
        line for line in text.splitlines(keepends=True) if not line.startswith(("    Exit_s", "    stime"))
    )
    answer = question.read(Completed(0, never_ran, ""))
    assert isinstance(answer, StatusAnswer)
    assert answer.known["40.pbs"].comment.endswith("; ended without having run")


def test_an_id_without_any_word_stays_unanswered() -> None:
    """Neither shown nor called unknown: nothing follows."""
    assert answered("qstat_running.json", "40.pbs", "41.pbs").unanswered == {"41.pbs"}


def test_a_dead_server_says_nothing_about_allocations() -> None:
    """Exit code 255."""
    answer = PBS.status(["40.pbs"]).read(recorded("server_down.txt"))
    assert isinstance(answer, CouldNotAsk)
    assert "cannot connect to server" in answer.words
    assert isinstance(PBS.status(["40.pbs"]).read(Completed(None, "", "")), CouldNotAsk)


def test_text_as_pbs_breaks_it_is_read_like_the_attributes() -> None:
    """Long values go on after a tab."""
    from_text = PBS.status(["40.pbs"]).read(Completed(0, (RECORDED / "qstat_f.txt").read_text(), ""))
    assert isinstance(from_text, StatusAnswer)
    assert from_text.known == answered("qstat_running.json", "40.pbs").known


def test_a_variable_cannot_pretend_to_be_a_state() -> None:
    """A line break in a variable is printed as it is."""
    text = "Job Id: 40.pbs\n    job_state = R\n    Variable_List = A=x\n    job_state = F\n"
    answer = PBS.status(["40.pbs"]).read(Completed(0, text, ""))
    assert isinstance(answer, StatusAnswer)
    assert answer.known["40.pbs"].state is AllocationState.RUNNING


STATES = {
    "Q": "QUEUED",
    "T": "QUEUED",
    "W": "QUEUED",
    "H": "HELD",
    "S": "HELD",
    "R": "RUNNING",
    "B": "RUNNING",
}
STATES |= {"E": "ENDING", "F": "ENDED", "M": "UNKNOWN", "Z": "UNKNOWN"}


@pytest.mark.parametrize("letter", STATES)
def test_every_state_is_mapped(letter: str) -> None:
    """A letter that we do not know is alive."""
    text = recorded("qstat_running.json").stdout.replace("job_state = R", f"job_state = {letter}")
    answer = PBS.status(["40.pbs"]).read(Completed(0, text, ""))
    assert isinstance(answer, StatusAnswer)
    assert answer.known["40.pbs"].state.value == STATES[letter]


def test_preparing_nodes_is_starting() -> None:
    """Substate 41 of R: the script does not run yet."""
    text = recorded("qstat_running.json").stdout.replace("substate = 42", "substate = 41")
    answer = PBS.status(["40.pbs"]).read(Completed(0, text, ""))
    assert isinstance(answer, StatusAnswer)
    assert answer.known["40.pbs"].state is AllocationState.STARTING


def refusals() -> list[Completed]:
    lines = (RECORDED / "errors.txt").read_text().splitlines()
    return [
        Completed(int(code.removeprefix("rc=")), "", words)
        for words, code in itertools.pairwise(lines)
        if words.startswith("qsub:")
    ]


@pytest.mark.parametrize("completed", refusals(), ids=lambda completed: completed.stderr)
def test_recorded_refusals_are_shown_in_pbs_own_words(completed: Completed) -> None:
    """A person must read what the scheduler said."""
    with pytest.raises(SubmissionRejected, match=completed.stderr):
        read_submission(completed)


def test_only_the_id_on_stdout_counts() -> None:
    """Warnings are on stderr; hooks may print before the id."""
    assert read_submission(Completed(0, "40.pbs\n", "qsub: warning")) == Submission("40.pbs")
    assert read_submission(Completed(0, "welcome\n40.pbs.example.org\n", "")) == Submission(
        "40.pbs.example.org"
    )


@pytest.mark.parametrize(
    "completed",
    [Completed(None, "", ""), Completed(0, "", ""), Completed(-9, "", ""), Completed(1, "", "End of File")],
)
def test_a_lost_answer_is_unclear(completed: Completed) -> None:
    """It may have been taken."""
    with pytest.raises(SubmissionUnclear):
        read_submission(completed)


def test_what_never_reached_the_server_was_not_submitted() -> None:
    """Exit code 255, cannot connect."""
    words = "qsub: cannot connect to server pbs (errno=15010)"
    assert isinstance(read_submission(Completed(255, "", words)), CouldNotAsk)


def test_a_name_is_searched_in_the_history_first() -> None:
    """One that crashed within seconds is found too; without history the live ones are searched."""
    command = PBS.find(REQUEST)
    assert command.argv == ("qselect", "-x", "-u", "alice", "-N", "ambs-7")
    assert command.read(Completed(0, "41.pbs\n9.pbs\n", "")) == ("9.pbs", "41.pbs")
    assert command.read(Completed(0, "", "")) == ()
    again = command.read(Completed(1, "", "qselect: PBS is not configured to maintain job history"))
    assert isinstance(again, SchedulerCommand)
    assert again.argv == ("qselect", "-u", "alice", "-N", "ambs-7")
    assert isinstance(command.read(Completed(255, "", "cannot connect to server")), CouldNotAsk)


def test_objections_to_a_deletion_name_their_ids() -> None:
    """The exit code is only that of the last one."""
    stderr = "qdel: Unknown Job Id 99.pbs\nqdel: Job has finished 40.pbs\n"
    answer = read_cancel(Completed(35, "", stderr), ["40.pbs", "41.pbs", "99.pbs"])
    assert answer == CancelAnswer(
        frozenset({"41.pbs"}), {"40.pbs": "Job has finished", "99.pbs": "Unknown Job Id"}
    )
    down = "qdel: cannot connect to server pbs (errno=15010)"
    assert isinstance(read_cancel(Completed(255, "", down), ["40.pbs"]), CouldNotAsk)


def test_the_node_file_names_the_nodes_and_exists_only_on_the_first() -> None:
    """On another node a launcher must say so instead of using one node."""
    environ = {"PBS_JOBID": "40.pbs", "PBS_NODEFILE": "/var/spool/pbs/aux/40.pbs"}
    assert PBS.current_allocation(
        environ, {"/var/spool/pbs/aux/40.pbs": "p1\np1\np2\n"}.__getitem__
    ) == CurrentAllocation("40.pbs", ("p1", "p2"))

    def missing(path: str) -> str:
        raise FileNotFoundError(path)

    with pytest.raises(AllocationUnreadable, match="first node only"):
        PBS.current_allocation(environ, missing)
