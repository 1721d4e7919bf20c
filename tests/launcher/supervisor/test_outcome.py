"""What counts as a result, and what is left on disk."""

from __future__ import annotations

import errno
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest

from ambs_hpc.launcher.supervisor import outcome
from ambs_hpc.launcher.supervisor.messages import FAILURES, AttemptReport, StartRequest, is_sound
from ambs_hpc.launcher.supervisor.metrics import parse_result
from ambs_hpc.launcher.supervisor.running_attempt import RunningAttempt
from ambs_hpc.states import FailureKind


@pytest.mark.parametrize("value", [1.5, 2, {"objective": 1.5, "epochs": 3}])
def test_numbers_are_results(value: object) -> None:
    """Whatever Python counts as a finite number."""
    said = parse_result(value)
    assert said.failure is None
    assert said.objective is not None
    assert math.isfinite(said.objective)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "1.5",
        True,
        1j,
        float("nan"),
        float("inf"),
        [1.0],
        {},
        {"objective": None},
        {"loss": 1.0},
        object(),
    ],
)
def test_anything_else_is_a_bad_result(value: object) -> None:
    """It fails with its reason instead of poisoning the model."""
    assert parse_result(value).failure == "BAD_RESULT"


def test_numbers_of_libraries_are_taken() -> None:
    """Training code returns numpy scalars, and arrays among its metrics."""
    import numpy as np

    said = parse_result({"objective": np.float32(0.5), "curve": np.array([1.0, 2.0]), "nan": float("nan")})
    assert said.objective == 0.5
    assert said.metrics["curve"] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("stdout", "objective"),
    [
        ("AMBS-RESULT: 1.5\n", 1.5),
        ("AMBS-RESULT: 1\nnoise\nAMBS-RESULT: 2\ntail\n", 2.0),
        ('AMBS-RESULT: {"objective": 3, "loss": 1}\n', 3.0),
        ("x" * 200_000 + "\nAMBS-RESULT: 4\n", 4.0),
    ],
)
def test_last_result_line_counts(stdout: str, objective: float, tmp_path: Path) -> None:
    """Programs may print intermediate results, and much else."""
    (tmp_path / "stdout").write_text(stdout)
    said = outcome.command_result(tmp_path)
    assert said is not None
    assert said.objective == objective


@pytest.mark.parametrize(
    ("stdout", "objective"),
    [
        *(("loss\n0.5\n", 0.5), ("-3e-2", -0.03), ("7\n\n  \n", 7.0)),
        *(
            (text, None)
            for text in ("0.5\ndone\n", "nan\n", "1e999\n", "0x10\n", "1_000\n", "loss 0.5\n", "")
        ),
    ],
)
def test_a_bare_number_on_the_last_line_counts_with_a_note(
    stdout: str, objective: float | None, tmp_path: Path
) -> None:
    """Where there is nothing else: most programs of beginners print just that."""
    (tmp_path / "stdout").write_text(stdout)
    said = outcome.command_result(tmp_path)
    assert (said and said.objective) == objective
    assert said is None or "print 'AMBS-RESULT: NUMBER' to be sure" in said.error


@pytest.mark.parametrize("marked", ["AMBS-RESULT: 2\n0.5\n", "AMBS-RESULT: true\n0.5\n"])
def test_a_marked_line_hides_a_bare_number(marked: str, tmp_path: Path) -> None:
    """Who writes it means it, right or wrong."""
    (tmp_path / "stdout").write_text(marked)
    said = outcome.command_result(tmp_path)
    assert said is not None
    assert said.objective in (2.0, None)
    assert said.objective or said.failure == "BAD_RESULT"


def test_result_file_wins_over_stdout(tmp_path: Path) -> None:
    """Who writes the file means it."""
    (tmp_path / "stdout").write_text("AMBS-RESULT: 1\n")
    (tmp_path / ".ambs-result.json").write_text('{"objective": 7}')
    said = outcome.command_result(tmp_path)
    assert said is not None
    assert said.objective == 7.0


@pytest.mark.parametrize("content", ["{}", '{"loss": 3}', "no number", "[" * 9999, '{"objective": null}'])
def test_a_file_without_an_objective_does_not_hide_a_line(tmp_path: Path, content: str) -> None:
    """A framework may write its own summary to $AMBS_RESULT; without any line the file's fault is told."""
    (tmp_path / ".ambs-result.json").write_text(content)
    (tmp_path / "stdout").write_text("done\n")
    said = outcome.command_result(tmp_path)
    assert said is not None
    assert said.failure == "BAD_RESULT"
    (tmp_path / "stdout").write_text("AMBS-RESULT: 2.5\n")
    said = outcome.command_result(tmp_path)
    assert said is not None
    assert said.objective == 2.5


def test_a_last_line_that_a_full_disk_cut_off_is_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 1.5 the disk took 1; a line without its end counts where there is room."""
    (tmp_path / "stdout").write_text("AMBS-RESULT: 1")
    said = outcome.command_result(tmp_path)
    assert said is not None
    assert said.objective == 1.0
    monkeypatch.setattr(outcome, "obstacle_to_writing", lambda _: "No space left on device")
    assert outcome.command_result(tmp_path) is None


def test_files_of_a_program_are_its_own(tmp_path: Path) -> None:
    """Many programs leave a `result.json`, an `outcome.json` or a `request.json` of their own."""
    for name in ("result.json", "outcome.json", "request.json"):
        (tmp_path / name).write_text('{"accuracy": "high"}')
    (tmp_path / "stdout").write_text("AMBS-RESULT: 2.5\n")
    said = outcome.command_result(tmp_path)
    assert said is not None
    assert said.objective == 2.5


def test_garbage_is_a_bad_result_and_silence_none(tmp_path: Path) -> None:
    """The message says which of the two it was."""
    (tmp_path / "stdout").write_text("hello\n")
    assert outcome.command_result(tmp_path) is None
    (tmp_path / "stdout").write_text("AMBS-RESULT: about three\n")
    said = outcome.command_result(tmp_path)
    assert said is not None
    assert said.failure == "BAD_RESULT"


def test_clock_that_steps_back_costs_no_result(tmp_path: Path) -> None:
    """A node's clock may be set while an evaluation runs; its number is right all the same."""
    report = AttemptReport(1, 1, "n", started_at=9.0, finished_at=1.0, objective=1.0)
    outcome.write_outcome(tmp_path, report)
    assert outcome.read_outcome(tmp_path, 1) == report


def test_kinds_of_failure_are_those_of_the_queue() -> None:
    """LOST is the queue's own judgement; an attempt cannot say it of itself."""
    assert {kind.value for kind in FailureKind} - {"LOST"} == FAILURES


def test_outcome_of_another_attempt_is_not_taken(tmp_path: Path) -> None:
    """A folder that was used twice by mistake must not give an old result."""
    report = AttemptReport(1, 1, "n", started_at=1.0, finished_at=9.0, objective=1.0)
    outcome.write_outcome(tmp_path, report)
    assert outcome.read_outcome(tmp_path, 2) is None
    assert outcome.read_outcome(tmp_path, 1) == report
    (tmp_path / ".ambs-outcome.json").write_text('{"id": 1, "att')
    assert outcome.read_outcome(tmp_path, 1) is None


REQUEST = StartRequest(7, 2, {}, "/runs/000/7-2", ["true"])


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE])
def test_what_a_failing_file_system_kept_from_beginning_was_interrupted(number: int) -> None:
    """It is the node's trouble, with the folder and the system's words."""
    said = outcome.not_begun(REQUEST, OSError(number, os.strerror(number), "stdout"))
    assert said.failure is None
    assert not said.has_begun
    assert said.unwritable == os.strerror(number)
    assert said.stopped == f"/runs/000/7-2 could not be written: {os.strerror(number)}"


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "no program"), ValueError("NUL")])
def test_what_cannot_be_started_for_another_reason_has_failed(error: Exception) -> None:
    """A missing program is missing everywhere."""
    said = outcome.not_begun(REQUEST, error)
    assert (said.failure, said.unwritable, said.stopped) == ("ERROR", "", "")


@pytest.mark.parametrize(("ended_by", "is_interrupted"), [(None, True), ("time", True), ("memory", False)])
def test_a_failure_where_nothing_can_be_written_was_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended_by: str | None, *, is_interrupted: bool
) -> None:
    """But for one that its memory limit has ended; what it left must not be counted by a later launcher."""
    monkeypatch.setattr(outcome, "obstacle_to_writing", lambda _folder: "No space left on device")
    request = replace(REQUEST, folder=str(tmp_path), time_limit_seconds=1.0)
    running = RunningAttempt(request, 1, 0.0, 0.0, ended_by)
    said = outcome.report_of(running, 1 << 8, 1.0)
    assert bool(said.stopped) == is_interrupted
    assert said.has_begun
    assert (tmp_path / outcome.OUTCOME).exists() != is_interrupted


def test_a_result_counts_wherever_it_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That its outcome file cannot be written is told beside it."""

    def full(_descriptor: int, _content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "stdout").write_text("AMBS-RESULT: 2\n")
    monkeypatch.setattr(outcome, "_write_all", full)
    said = outcome.report_of(RunningAttempt(replace(REQUEST, folder=str(tmp_path)), 1, 0.0, 0.0), 0, 1.0)
    assert (said.objective, said.stopped, said.unwritable) == (2.0, "", "No space left on device")
    assert [file.name for file in tmp_path.iterdir()] == ["stdout"]


def test_no_evaluation_can_say_that_its_node_cannot_write() -> None:
    """Nothing would be started there any more."""
    report = AttemptReport(1, 1, "n", 0.0, 1.0, objective=1.0)
    assert is_sound(report)
    assert not is_sound(replace(report, unwritable="No space left on device"))


@pytest.mark.parametrize(("obstacle", "has_begun"), [("No space left on device", False), ("", True)])
def test_a_fork_that_could_not_enter_its_folder_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, obstacle: str, *, has_begun: bool
) -> None:
    """A program may end with the same status: where all can be written it counts, lest it run for ever."""
    monkeypatch.setattr(outcome, "obstacle_to_writing", lambda _folder: obstacle)
    request = replace(REQUEST, folder=str(tmp_path), arguments=None, function="module:function")
    said = outcome.report_of(RunningAttempt(request, 1, 0.0, 0.0), outcome.UNENTERED_STATUS << 8, 1.0)
    assert "could not be written" in said.stopped
    assert said.has_begun == has_begun
    of_command = outcome.report_of(
        RunningAttempt(replace(request, arguments=["x"]), 1, 0.0, 0.0), outcome.UNENTERED_STATUS << 8, 1.0
    )
    assert (of_command.failure is None) == bool(obstacle)
