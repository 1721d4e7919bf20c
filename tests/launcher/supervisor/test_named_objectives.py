"""A result of several objectives has all of them, or is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambs_hpc.launcher.supervisor import outcome
from ambs_hpc.launcher.supervisor.metrics import ParsedResult, parse_result

NAMES = ("accuracy", "latency_ms")


def test_all_objectives_are_metrics_and_the_first_is_the_objective() -> None:
    """Rows keep one number in a column of its own; the others are found by name."""
    said = parse_result({"epochs": 3, "latency_ms": 12, "accuracy": 0.5}, NAMES)
    assert said == ParsedResult(0.5, {"accuracy": 0.5, "latency_ms": 12.0, "epochs": 3})


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.5, "the result 0.5 is not a dict with 'accuracy', 'latency_ms'"),
        ({"accuracy": 0.5}, "has no 'latency_ms'; the objectives are 'accuracy', 'latency_ms'"),
        ({"accuracy": 0.5, "latency_ms": float("nan")}, "the objective 'latency_ms' nan is not a finite"),
        ({"accuracy": None, "latency_ms": 1}, "the objective 'accuracy' None is not a number"),
    ],
)
def test_a_missing_or_broken_objective_is_a_bad_result(value: object, told: str) -> None:
    """The search could not place it; the person reads which one it was."""
    said = parse_result(value, NAMES)
    assert (said.failure, told in said.error) == ("BAD_RESULT", True), said.error


def test_a_command_says_them_as_json(tmp_path: Path) -> None:
    """A bare number on the last line is no result of several."""
    (tmp_path / "stdout").write_text('AMBS-RESULT: {"accuracy": 0.5, "latency_ms": 2}\n')
    assert outcome.command_result(tmp_path, NAMES) == ParsedResult(0.5, {"accuracy": 0.5, "latency_ms": 2.0})
    (tmp_path / "stdout").write_text("0.5\n")
    assert outcome.command_result(tmp_path, NAMES) is None
