"""A budget that was said long ago does not undo what somebody has decided since."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from ambs_hpc.campaign import SearchSettings, continue_campaign, define_campaign
from ambs_hpc.problem import Problem
from ambs_hpc.problem.problem_file import LoadedProblem
from ambs_hpc.queue import read_now, reading

LATER = 60.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AMBS_CONFIG_DIR", str(tmp_path / "config"))
    return tmp_path


def budget(engine: Engine, folder: Path, number: int | None, stated_at: float | None = None) -> int | None:
    """The campaign's, after a search with this one has begun."""
    problem = Problem(name="p", space={"x": (0.0, 1.0)}, objective="model:train")
    settings = SearchSettings(max_evaluations=number, run_root=folder / "runs", stated_at=stated_at)
    wanted = define_campaign(LoadedProblem(problem, folder / "problem.py"), settings)
    return continue_campaign(engine, wanted, settings).campaign.definition.max_evaluations


def test_a_revision_since_a_script_was_submitted_wins(
    any_engine: Engine, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The allocation waited for days; meanwhile the budget was raised at a prompt."""
    with reading(any_engine) as connection:
        submitted = read_now(connection) - LATER
    assert budget(any_engine, folder, 100, submitted) == 100
    assert budget(any_engine, folder, 500) == 500
    assert budget(any_engine, folder, 100, submitted) == 500
    assert "--max-evaluations 100 is older than revision 2" in caplog.text


def test_a_script_that_was_submitted_later_wins(any_engine: Engine, folder: Path) -> None:
    """It says what its person wants last; so does a command without a date."""
    assert budget(any_engine, folder, 100) == 100
    assert budget(any_engine, folder, 500) == 500
    with reading(any_engine) as connection:
        submitted = read_now(connection) + LATER
    assert budget(any_engine, folder, 200, submitted) == 200
    assert budget(any_engine, folder, 300) == 300


def test_other_revisions_do_not_keep_a_budget(any_engine: Engine, folder: Path) -> None:
    """Only one that changed it; what the campaign was made with is no revision of it."""
    assert budget(any_engine, folder, 100) == 100
    assert budget(any_engine, folder, 200, 0.0) == 200
