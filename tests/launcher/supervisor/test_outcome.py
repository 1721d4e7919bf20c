"""What counts as a result, and what is left on disk."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ambs_hpc.launcher.supervisor import outcome
from ambs_hpc.launcher.supervisor.messages import FAILURES, AttemptReport
from ambs_hpc.states import FailureKind


@pytest.mark.parametrize("value", [1.5, 2, True, {"objective": 1.5, "epochs": 3}])
def test_numbers_are_results(value: object) -> None:
    """Whatever Python counts as a finite number."""
    said = outcome.parse_result(value)
    assert said.failure is None
    assert said.objective is not None
    assert math.isfinite(said.objective)


@pytest.mark.parametrize(
    "value",
    [None, "1.5", float("nan"), float("inf"), [1.0], {}, {"objective": None}, {"loss": 1.0}, object()],
)
def test_anything_else_is_a_bad_result(value: object) -> None:
    """It fails with its reason instead of poisoning the model."""
    assert outcome.parse_result(value).failure == "BAD_RESULT"


def test_numbers_of_libraries_are_taken() -> None:
    """Training code returns numpy scalars, and arrays among its metrics."""
    import numpy as np

    said = outcome.parse_result(
        {"objective": np.float32(0.5), "curve": np.array([1.0, 2.0]), "nan": float("nan")}
    )
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
