"""`ambs_hpc.report` writes one line, or nothing, and never ends an evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ambs_hpc
from ambs_hpc.launcher.supervisor.progress import report_function


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AMBS_REPORTS", str(tmp_path / "reports"))
    monkeypatch.setattr(report_function, "_told", [])
    return tmp_path / "reports"


def lines(file: Path) -> list[Any]:
    return [json.loads(one) for one in file.read_text().splitlines()]


def test_each_report_is_a_line(file: Path) -> None:
    """Numbers of numeric libraries are numbers."""
    ambs_hpc.report(1, 0.5, loss=0.25, phase="warm-up")
    ambs_hpc.report(np.int64(2), np.array([0.75], dtype=np.float32), best=np.bool_(True))
    assert lines(file) == [
        {"step": 1, "objective": 0.5, "loss": 0.25, "phase": "warm-up"},
        {"step": 2, "objective": 0.75, "best": True},
    ]


def test_outside_of_an_evaluation_nothing_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same training runs by hand."""
    monkeypatch.delenv("AMBS_REPORTS", raising=False)
    monkeypatch.chdir(tmp_path)
    ambs_hpc.report(1, 0.5)
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr() == ("", "")


def test_ranks_other_than_the_first_are_silent(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All ranks of an MPI program call it."""
    monkeypatch.setenv("PMI_RANK", "1")
    ambs_hpc.report(1, 0.5)
    assert not file.exists()


@pytest.mark.parametrize(
    ("step", "value", "word"),
    [
        *(
            (-1, 0.5, "step is -1"),
            (1.5, 0.5, "step is 1.5"),
            ("one", 0.5, "step is 'one'"),
            (True, 0.5, "True"),
        ),
        *((1, float("nan"), "objective is nan"), (1, None, "None"), (1, "0.5", "'0.5'"), (1, [0.5], "[0.5]")),
        (1, np.ones(3), "at step 1"),
    ],
)
def test_no_report_is_left_out_with_a_reason(
    file: Path, capsys: pytest.CaptureFixture[str], step: Any, value: object, word: str
) -> None:
    """A training of hours must not end because it tells of itself."""
    for _ in range(3):
        ambs_hpc.report(step, value)
    assert not file.exists()
    said = capsys.readouterr().err
    assert said.startswith("ambs: report at step")
    assert word in said
    assert said.count("\n") == 1


def test_wrong_metrics_cost_themselves(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And are told by name."""
    ambs_hpc.report(1, 0.5, loss=0.1, weights=np.ones(3), step=9, objective=7)
    assert lines(file) == [{"step": 1, "objective": 0.5, "loss": 0.1}]
    said = capsys.readouterr().err
    assert all(f"metric {name!r}" in said for name in ("weights", "step", "objective"))


def test_a_file_that_cannot_be_written_is_told(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk, or a removed folder."""
    monkeypatch.setenv("AMBS_REPORTS", str(file / "nowhere"))
    ambs_hpc.report(1, 0.5)
    assert "nowhere" in capsys.readouterr().err
