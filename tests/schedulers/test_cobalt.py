"""What Cobalt prints, and what it leaves out."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from pathlib import Path

import pytest

from ambs_hpc.errors import AllocationUnreadable, SubmissionRejected, SubmissionUnclear, UsageError
from ambs_hpc.schedulers import (
    AllocationState,
    AllocationStatus,
    CancelAnswer,
    Completed,
    CouldNotAsk,
    CurrentAllocation,
    StatusAnswer,
    Submission,
    SubmitRequest,
    ask,
    submit,
)
from ambs_hpc.schedulers.cobalt import Cobalt, read_cancel, read_find, read_status, read_submission
from ambs_hpc.sites import write_script
from tests.databases import wait_until
from tests.schedulers.fakes import FakeScheduler

RECORDED = Path(__file__).parent / "recorded" / "cobalt"
NOISE = 'No handlers could be found for logger "Proxy"\n'
COBALT = Cobalt("alice")
RUNNING = """JobID: 32
    JobName   : ambs-7
    State     : running
    Queue     : default
    Nodes     : 2
    WallTime  : 00:10:00
    StartTime : Mon Nov 23 07:34:06 2026 +0000 (UTC)
    Score     :   0.1

"""


def errors() -> list[tuple[str, int, str]]:
    lines = (RECORDED / "errors.txt").read_text().splitlines()
    return [(kind, int(code), words) for kind, code, words in (line.split(" ", 2) for line in lines)]


def test_options_stand_before_the_script() -> None:
    """Cobalt stops at the first word that is no option; what follows would be the script's arguments."""
    request = SubmitRequest(Path("/run/a.sh"), "ambs-7", Path("/run"), 600)
    command = COBALT.submit(request)
    assert command.argv == ("qsub", "--jobname", "ambs-7", "--debuglog", "/run/ambs-7.cobaltlog", "/run/a.sh")
    assert command.directory == Path("/run")


def test_a_script_path_with_blanks_is_refused_before_qsub() -> None:
    """Cobalt deletes the blanks and then complains about another path."""
    with pytest.raises(UsageError, match="deletes blanks"):
        COBALT.submit(SubmitRequest(Path("/my run/a.sh"), "ambs-7", Path("/my run"), 600))


@pytest.mark.parametrize("stdout", ["62\n", "62 routed\n"])
def test_the_id_is_the_leading_integer_whatever_filters_say(stdout: str) -> None:
    """Filters talk on stderr on success too."""
    assert read_submission(Completed(0, stdout, "Job routed to queue debug\n")) == Submission("62")


@pytest.mark.parametrize(("kind", "code", "words"), errors())
def test_refusals_dead_servers_and_lost_answers_are_told_apart(kind: str, code: int, words: str) -> None:
    """Everything is exit code 1; a refusal is final, a lost answer must be searched."""
    completed = Completed(code, "", NOISE + words.replace("\\n", "\n"))
    if kind == "unreachable":
        assert isinstance(read_submission(completed), CouldNotAsk)
        return
    with pytest.raises(SubmissionRejected if kind == "rejected" else SubmissionUnclear) as raised:
        read_submission(completed)
    assert words.split("\\n")[0] in str(raised.value)


@pytest.mark.parametrize("completed", [Completed(None, "", ""), Completed(0, "", ""), Completed(-9, "", "")])
def test_a_submission_without_a_readable_answer_is_unclear(completed: Completed) -> None:
    """It may have been taken."""
    with pytest.raises(SubmissionUnclear):
        read_submission(completed)


def test_many_ids_are_one_command() -> None:
    """Politeness; the header is named because sites change it."""
    command = COBALT.status(["32", "33", "32"])
    assert command.argv[:3] == ("qstat", "-l", "--header")
    assert command.argv[3].startswith("JobID:")
    assert command.argv[4:] == ("32", "33")


def test_a_word_is_never_asked_as_an_id() -> None:
    """qstat would list the queue of that name."""
    with pytest.raises(ValueError, match="numbers"):
        COBALT.status(["default"])


def test_a_running_allocation_is_read_and_a_missing_one_has_vanished() -> None:
    """Ended ones are left out without an error as long as any other is known."""
    status = AllocationStatus(
        scheduler_id="32",
        state=AllocationState.RUNNING,
        own_state="running",
        name="ambs-7",
        queue="default",
        nodes=2,
        walltime_seconds=600,
        started_at=1795419246.0,
        ends_at=1795419846.0,
    )
    answer = read_status(Completed(0, RUNNING, ""), ["32", "99999"])
    assert answer == StatusAnswer({"32": status}, vanished=frozenset({"99999"}))


def test_no_output_at_all_means_gone() -> None:
    """Exit code 1 with nothing on either stream is how qstat says unknown."""
    assert read_status(Completed(1, "", ""), ["1", "2"]) == StatusAnswer({}, vanished=frozenset({"1", "2"}))


@pytest.mark.parametrize(
    "completed",
    [
        Completed(1, "", NOISE + "component error: XMLRPC failure in queue-manager.get_queues: Proxy.py"),
        Completed(1, "", "No section cqm in Cobalt config"),
        Completed(1, "", NOISE),
        Completed(0, "", ""),
        Completed(None, "", ""),
        Completed(127, "", ""),
        Completed(1, RUNNING, "broken pipe"),
    ],
)
def test_anything_else_says_nothing_about_allocations(completed: Completed) -> None:
    """A dead server must not end ten thousand evaluations."""
    assert isinstance(read_status(completed, ["32"]), CouldNotAsk)


STATES = {
    "queued": "QUEUED",
    "starting": "STARTING",
    "running": "RUNNING",
    "killing": "ENDING",
    "exiting": "ENDING",
    "user_hold": "HELD",
    "admin_hold": "HELD",
    "dep_hold": "HELD",
    "dep_fail": "HELD",
    "maxrun_hold": "HELD",
    "brand_new": "UNKNOWN",
}


@pytest.mark.parametrize("word", STATES)
def test_every_state_is_mapped(word: str) -> None:
    """A word that we do not know is alive."""
    answer = read_status(Completed(0, RUNNING.replace(": running", f": {word}"), ""), ["32"])
    assert isinstance(answer, StatusAnswer)
    assert answer.known["32"].state.value == STATES[word]
    assert answer.known["32"].own_state == word


def test_recorded_values_may_hold_blanks_and_equal_signs() -> None:
    """The long form is chosen because of them."""
    text = (RECORDED / "qstat_l.txt").read_text()
    answer = read_status(Completed(0, text, ""), ["53", "54"])
    assert isinstance(answer, StatusAnswer)
    assert [(each.name, each.own_state) for each in answer.known.values()] == [
        ("N/A", "user_hold"),
        ("my long job", "user_hold"),
    ]
    assert read_find(Completed(0, text, ""), "my long job") == ("54",)


def test_a_lost_submission_is_found_by_its_log_even_when_it_has_ended() -> None:
    """Ended ones leave qstat at once; the log that qsub wrote stays."""
    log = (RECORDED / "cobaltlog.txt").read_text()
    assert read_find(Completed(0, "", "", evidence=log), "ambs-7") == ("1",)
    assert isinstance(read_find(Completed(1, "", "component error", evidence=log), "ambs-7"), CouldNotAsk)
    assert read_find(Completed(0, RUNNING, ""), "ambs-7") == ("32",)
    assert read_find(Completed(0, RUNNING, ""), "ambs-70") == ()
    assert isinstance(read_find(Completed(1, "", "component error"), "ambs-7"), CouldNotAsk)


def test_only_listed_ids_were_deleted() -> None:
    """qdel passes over unknown ids and other people's with exit code 0 and no word."""
    answer = read_cancel(Completed(0, (RECORDED / "qdel.txt").read_text(), ""), ["40", "41", "42"])
    assert isinstance(answer, CancelAnswer)
    assert answer.accepted == {"40", "41"}
    assert list(answer.refused) == ["42"]


def test_a_cluster_names_its_nodes_in_a_file() -> None:
    """COBALT_PARTNAME would be the first node only."""
    environ = {"COBALT_JOBID": "7", "COBALT_NODEFILE": "/var/tmp/cobalt.7", "COBALT_PARTNAME": "cc001"}
    files = {"/var/tmp/cobalt.7": "cc001\ncc002\n"}
    assert COBALT.current_allocation(environ, files.__getitem__) == CurrentAllocation("7", ("cc001", "cc002"))


def test_a_cray_names_its_nodes_by_number_and_says_when_it_ends() -> None:
    """There is no node file on Theta."""
    environ = {"COBALT_JOBID": "1", "COBALT_PARTNAME": "340-342,350", "COBALT_ENDTIME": "1795421205"}
    assert COBALT.current_allocation(environ, {}.__getitem__) == CurrentAllocation(
        "1", ("340", "341", "342", "350"), 1795421205.0
    )


def _missing(path: str) -> str:
    raise FileNotFoundError(path)


@pytest.mark.parametrize(
    "environ", [{}, {"COBALT_NODEFILE": "/gone"}, {"COBALT_PARTNAME": "3-"}, {"COBALT_PARTNAME": ""}]
)
def test_nodes_that_cannot_be_read_are_an_error(environ: dict[str, str]) -> None:
    """A launcher on no or wrong nodes wastes the allocation in silence."""
    with pytest.raises(AllocationUnreadable, match="allocation 7"):
        COBALT.current_allocation({"COBALT_JOBID": "7", **environ}, _missing)


# ---- a queue manager that has just died, as recorded


def test_a_submission_that_was_taken_is_never_called_refused() -> None:
    """It had been submitted, ran, and served its campaign, while nobody could name it."""
    recorded = (RECORDED / "qsub_taken_answer_lost.txt").read_text()
    with pytest.raises(SubmissionUnclear) as raised:
        read_submission(Completed(1, "", recorded))
    assert "qsub gave no clear answer: <Fault 20: 'error: [Errno 111] Connection refused'>." in str(
        raised.value
    )


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (
            "qstat_just_died.txt",
            "component error: XMLRPC failure <Fault 20: 'error: [Errno 111] Connection refused'> "
            "in queue-manager.get_queues",
        ),
        (
            "qstat_unregistered.txt",
            "component error: Following exception occurred while trying to execute queue-manager.get_queues: "
            "Proxy.py     :L#422:cn:queue-manager",
        ),
    ],
)
def test_a_traceback_is_told_by_its_last_words(file: str, words: str) -> None:
    """Thirty lines of a server's code, twice, hide the one that says what is wrong."""
    completed = Completed(1, "", (RECORDED / file).read_text())
    assert read_status(completed, ["32"]) == CouldNotAsk("qstat", words)
    assert read_find(completed, "ambs-7") == CouldNotAsk("qstat", words)
    assert read_cancel(completed, ["32"]) == CouldNotAsk("qdel", words)


def test_refusals_are_told_without_the_noise_of_python() -> None:
    """People read the reason, and nothing else."""
    with pytest.raises(SubmissionRejected, match=r"^qsub refused the script: <Fault 1001: \"no\">$"):
        read_submission(Completed(1, "", NOISE + '<Fault 1001: "no">\n'))


def test_an_id_that_came_after_trouble_is_looked_for_by_name() -> None:
    """The client submits again by itself: the first may be queued as well."""
    with pytest.raises(SubmissionUnclear):
        read_submission(Completed(0, "9\n", NOISE))


def test_all_allocations_of_a_name_are_found() -> None:
    """Oldest first, whether they are in qstat or only in the log."""
    twice = RUNNING + RUNNING.replace("JobID: 32", "JobID: 9")
    assert read_find(Completed(0, twice, "", evidence="Jobid: 33\nqsub ...\n"), "ambs-7") == ("9", "32", "33")


# ---- on the pretend machine


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeScheduler]:
    with FakeScheduler("cobalt", tmp_path / "fake", paused=True) as fake:
        yield fake


def _request(folder: Path) -> SubmitRequest:
    script = folder / "a.sh"
    write_script(script, "#!/bin/bash\n#COBALT -n 1 -t 10\nsleep 60\n")
    return SubmitRequest(script, "ambs-7", folder, 600)


@pytest.mark.parametrize("settings", [{}, {"lose_answers": 1}, {"lose_answers": 1, "lose_how": "silent"}])
def test_of_what_the_client_submitted_three_times_one_is_left(
    fake: FakeScheduler, tmp_path: Path, settings: dict[str, object]
) -> None:
    """One was asked for; each costs node-hours."""
    fake.set(repeats=2, **settings)
    answer = submit(Cobalt(getpass.getuser()), _request(tmp_path), environ=fake.environ())
    assert answer == Submission("1")
    wait_until(lambda: [one["state"] for one in fake.allocations()] == ["queued", "ended", "ended"])


def test_while_the_queue_manager_is_dead_nothing_is_refused_or_gone(
    fake: FakeScheduler, tmp_path: Path
) -> None:
    """The fake says what the real one said."""
    fake.set(unreachable="died")
    answer = ask(COBALT.status(["1"]), environ=fake.environ())
    words = (
        "component error: XMLRPC failure <Fault 20: 'error: [Errno 111] Connection refused'> in queue-manager"
    )
    assert answer == CouldNotAsk("qstat", f"{words}.get_queues")
    assert ask(COBALT.cancel(["1"]), environ=fake.environ()) == CouldNotAsk("qdel", f"{words}.del_jobs")
    with pytest.raises(SubmissionUnclear):
        submit(COBALT, _request(tmp_path), environ=fake.environ())


LIMIT = "<Fault 1001: \"The limit of 1 jobs per user in the 'restr' queue has been reached\">"


@pytest.mark.parametrize(
    ("qstat", "answer"),
    [
        (f"cat <<'EOF'\n{RUNNING}EOF", Submission("32")),
        ("exit 0", SubmissionRejected),
        ("echo component error >&2; exit 1", SubmissionUnclear),
    ],
)
def test_a_refusal_may_be_that_of_the_clients_own_repetition(
    qstat: str, answer: Submission | type[Exception], tmp_path: Path
) -> None:
    """The first attempt was taken, its answer lost, and it alone fills the queue's limit."""
    for name, text in (("qsub", f'echo "{LIMIT.replace(chr(34), chr(39))}" >&2; exit 1'), ("qstat", qstat)):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PATH", environ["PATH"])
        if isinstance(answer, Submission):
            assert submit(COBALT, _request(tmp_path), environ=environ) == answer
        else:
            with pytest.raises(answer, match="limit of 1 jobs"):
                submit(COBALT, _request(tmp_path), environ=environ)
