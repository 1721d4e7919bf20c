"""What squeue prints, and what it leaves out."""

from __future__ import annotations

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
from ambs_hpc.schedulers.slurm import Slurm, read_cancel, read_find, read_submission

RECORDED = (Path(__file__).parent / "recorded" / "slurm" / "squeue_o.txt").read_text()
SLURM = Slurm("alice")
INVALID = Completed(1, "", "slurm_load_jobs error: Invalid job id specified\n")
REQUEST = SubmitRequest(Path("/run/a.sh"), "ambs-7", Path("/run"), 600)


def answered(stdout: str, *ids: str) -> StatusAnswer:
    answer = SLURM.status(ids).read(Completed(0, stdout, ""))
    assert isinstance(answer, StatusAnswer)
    return answer


def test_one_command_asks_for_all_ended_ones_included() -> None:
    """Ended ones stay for MinJobAge: their last state is read without accounting."""
    argv = SLURM.status(["6", "7"]).argv
    assert argv[0] == "squeue"
    assert {"--noheader", "--states=all", "--jobs=6,7"} < set(argv)


def test_recorded_allocations_are_read() -> None:
    """Running, waiting for nodes, held, never there."""
    answer = answered(RECORDED, "6", "7", "8", "5")
    assert answer.known["6"] == AllocationStatus(
        scheduler_id="6",
        state=AllocationState.RUNNING,
        own_state="RUNNING",
        nodes=2,
        walltime_seconds=300,
        started_at=1795421050.0,
        ends_at=1795421350.0,
    )
    assert answer.known["7"] == AllocationStatus(
        "7",
        AllocationState.QUEUED,
        "PENDING",
        nodes=8,
        walltime_seconds=300,
        comment="Resources",
        expected_start_at=1795421350.0,
    )
    assert answer.known["8"].state is AllocationState.HELD
    assert answer.vanished == {"5"}


def test_an_array_is_as_alive_as_its_liveliest_element() -> None:
    """Nobody submits arrays here, but an id may be given by a person."""
    answer = answered(RECORDED, "9", "9_3")
    assert answer.known["9"].state is AllocationState.RUNNING
    assert answer.known["9_3"].state is AllocationState.QUEUED


def test_name_and_partition_are_read_and_a_name_may_hold_bars() -> None:
    """The name comes last for that reason."""
    row = "6|6|N/A|TIMEOUT|TimeLimit|n[1-2]|2|5:00|2026-11-23T08:04:10|2026-11-23T08:09:10|batch|a|b\n"
    status = answered(row, "6").known["6"]
    assert (status.name, status.queue, status.own_state) == ("a|b", "batch", "TIMEOUT")
    assert (status.state, status.ends_at) == (AllocationState.ENDED, 1795421350.0)


STATES = {
    "PENDING": "QUEUED",
    "CONFIGURING": "STARTING",
    "RUNNING": "RUNNING",
    "SIGNALING": "RUNNING",
    "COMPLETING": "ENDING",
    "SUSPENDED": "HELD",
    "COMPLETED": "ENDED",
    "CANCELLED": "ENDED",
    "FAILED": "ENDED",
    "TIMEOUT": "ENDED",
    "NODE_FAIL": "ENDED",
    "OUT_OF_MEMORY": "ENDED",
    "PREEMPTED": "ENDED",
    "BRAND_NEW": "UNKNOWN",
}


@pytest.mark.parametrize("word", STATES)
def test_every_state_is_mapped(word: str) -> None:
    """A word that we do not know is alive."""
    row = f"6|6|N/A|{word}|None|n1|1|5:00|N/A|N/A|batch|x\n"
    assert answered(row, "6").known["6"].state.value == STATES[word]


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        ("launch failed requeued held", "HELD"),
        ("job requeued in held state", "HELD"),
        ("user env retrieval failed requeued held", "HELD"),
        ("launch_failed_requeued_held", "HELD"),
        ("JobHeldUser", "HELD"),
        ("JobHoldMaxRequeue", "HELD"),
        ("Dependency", "HELD"),
        ("Priority", "QUEUED"),
        ("ReqNodeNotAvail, UnavailableNodes:n7", "QUEUED"),
        ("None", "QUEUED"),
    ],
)
def test_what_nothing_but_a_person_starts_is_held(reason: str, state: str) -> None:
    """It would else be waited for without end, and no other allocation be asked for in its place."""
    row = f"6|6|N/A|PENDING|{reason}|n1|1|1-02|N/A|N/A|batch|x\n"
    status = answered(row, "6").known["6"]
    assert (status.state.value, status.walltime_seconds) == (state, 93600)


def test_one_is_submitted_behind_another() -> None:
    """However that one ends: also by its walltime."""
    argv = SLURM.submit(replace(REQUEST, after="41")).argv
    assert "--dependency=afterany:41" in argv
    assert argv[-1] == "/run/a.sh"
    assert not any("dependency" in each for each in SLURM.submit(REQUEST).argv)


def test_a_single_unknown_id_has_vanished() -> None:
    """Alone it is refused with exit code 1."""
    assert SLURM.status(["9999"]).read(INVALID) == StatusAnswer({}, vanished=frozenset({"9999"}))


def test_an_invalid_id_among_many_is_looked_for_otherwise() -> None:
    """The refusal does not say which one it means: the user's whole list does."""
    question = SLURM.status(["6", "9999"]).read(INVALID)
    assert isinstance(question, SchedulerCommand)
    assert "--user=alice" in question.argv
    assert not any(each.startswith("--jobs") for each in question.argv)
    answer = question.read(Completed(0, RECORDED, ""))
    assert isinstance(answer, StatusAnswer)
    assert (set(answer.known), answer.vanished) == ({"6"}, {"9999"})
    assert isinstance(question.read(INVALID), CouldNotAsk)


@pytest.mark.parametrize(
    "completed",
    [
        Completed(1, "", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"),
        Completed(1, "", "slurm_load_jobs error: Socket timed out on send/recv operation"),
        Completed(None, "", ""),
        Completed(127, "", ""),
    ],
)
def test_a_dead_controller_says_nothing_about_allocations(completed: Completed) -> None:
    """It must not end ten thousand evaluations."""
    assert isinstance(SLURM.status(["6"]).read(completed), CouldNotAsk)
    assert isinstance(SLURM.find(REQUEST).read(completed), CouldNotAsk)


def test_noise_with_exit_code_0_does_not_hide_the_answer() -> None:
    """Plugins talk on stderr."""
    answer = SLURM.status(["6"]).read(Completed(0, RECORDED, "squeue: error: plugin_x: whatever"))
    assert isinstance(answer, StatusAnswer)
    assert set(answer.known) == {"6"}


@pytest.mark.parametrize("stdout", ["62\n", "62;perlmutter\n", "notice: hello\n62\n"])
def test_the_id_is_printed_parsable(stdout: str) -> None:
    """With the cluster's name where there are several."""
    assert read_submission(Completed(0, stdout, "sbatch: lua: hello")) == Submission("62")


@pytest.mark.parametrize(
    "completed",
    [
        Completed(1, "", "sbatch: error: invalid partition specified: nosuch"),
        Completed(
            1, "", "sbatch: error: Batch job submission failed: Requested node configuration is not available"
        ),
        Completed(255, "", "sbatch: error: Invalid --time specification"),
    ],
)
def test_a_refusal_keeps_slurms_own_words(completed: Completed) -> None:
    """A person must read them."""
    with pytest.raises(SubmissionRejected) as raised:
        read_submission(completed)
    assert completed.stderr in str(raised.value)


@pytest.mark.parametrize(
    "completed",
    [
        Completed(
            1, "", "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
        ),
        Completed(1, "", "sbatch: error: Batch job submission failed: Unable to contact slurm controller"),
        Completed(None, "", ""),
        Completed(0, "", ""),
        Completed(-15, "", ""),
    ],
)
def test_a_lost_answer_is_unclear(completed: Completed) -> None:
    """The famous one: timed out, and submitted all the same."""
    with pytest.raises(SubmissionUnclear):
        read_submission(completed)


@pytest.mark.parametrize(
    "words",
    [
        "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
        "sbatch: fatal: Unable to process configuration file",
    ],
)
def test_what_never_reached_the_controller_was_not_submitted(words: str) -> None:
    """It can be tried again at once."""
    assert isinstance(read_submission(Completed(1, "", words)), CouldNotAsk)


def test_a_name_is_matched_exactly() -> None:
    """A prefix is another allocation."""
    row = "{0}|{0}|N/A|RUNNING|None|n1|1|5:00|N/A|N/A|batch|{1}\n"
    rows = row.format(9, "ambs-7") + row.format(11, "ambs-70")
    assert read_find(Completed(0, rows, ""), "ambs-7") == ("9",)
    assert read_find(Completed(0, "", ""), "ambs-7") == ()


def test_objections_to_a_cancellation_name_their_ids() -> None:
    """Unknown ids pass in silence, so that accepted is no proof of an end."""
    stderr = "scancel: error: Kill job error on job id 5: Access/permission denied\n"
    assert read_cancel(Completed(1, "", stderr), ["5", "6"]) == CancelAnswer(
        frozenset({"6"}), {"5": "Access/permission denied"}
    )
    down = "scancel: error: Kill job error on job id 5: Unable to contact slurm controller (connect failure)"
    assert isinstance(read_cancel(Completed(1, "", down), ["5"]), CouldNotAsk)


def test_the_node_list_is_written_out() -> None:
    """Without asking scontrol."""
    environ = {"SLURM_JOB_ID": "6", "SLURM_JOB_NODELIST": "n[1-2],x7"}
    assert SLURM.current_allocation(environ, {}.__getitem__) == CurrentAllocation("6", ("n1", "n2", "x7"))
    later = environ | {"SLURM_JOB_END_TIME": "1795421205"}
    assert SLURM.current_allocation(later, {}.__getitem__) == CurrentAllocation(
        "6", ("n1", "n2", "x7"), 1795421205.0
    )


@pytest.mark.parametrize(
    ("text", "processors"),
    [
        ("56(x2),112", (56, 56, 112)),
        ("4(x3)", (4, 4, 4)),
        ("8,8,6", (8, 8, 6)),
        ("4(x2)", ()),
        ("", ()),
        ("4(x2),?", ()),
    ],
)
def test_what_was_granted_of_each_node_is_read(text: str, processors: tuple[int, ...]) -> None:
    """With reserved cores, or one thread of each core, it is less than the node has."""
    environ = {"SLURM_JOB_ID": "6", "SLURM_JOB_NODELIST": "n[1-3]", "SLURM_JOB_CPUS_PER_NODE": text}
    here = SLURM.current_allocation(environ, {}.__getitem__)
    assert here is not None
    assert here.processors == processors


@pytest.mark.parametrize("text", ["", "n[1-"])
def test_nodes_that_cannot_be_read_are_an_error(text: str) -> None:
    """Better no launcher than one on guessed nodes."""
    with pytest.raises(AllocationUnreadable, match="allocation 6"):
        SLURM.current_allocation({"SLURM_JOB_ID": "6", "SLURM_JOB_NODELIST": text}, {}.__getitem__)


def test_a_refusal_says_what_to_do_next() -> None:
    """Slurm's words name neither the option nor where limits are found; what is not known is not guessed."""
    words = "sbatch: error: Batch job submission failed: "
    limit = f"{words}Requested time limit is invalid (missing or exceeds some limit)"
    with pytest.raises(SubmissionRejected, match=r"some limit\). Ask for less by --time, .* `sinfo -o"):
        read_submission(Completed(1, "", limit))
    with pytest.raises(SubmissionRejected, match=r"something else$"):
        read_submission(Completed(1, "", f"{words}something else"))
