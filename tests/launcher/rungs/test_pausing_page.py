"""docs/pausing.md: its problem loads, its training goes on from its checkpoint, its queries run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ambs_hpc.problem.problem_file import load_problem
from ambs_hpc.queue import open_database, run_read_only_sql
from tests import databases

PAGE = (Path(__file__).parents[3] / "docs" / "pausing.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_pages_code_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What people copy from it pauses and goes on."""
    problem, model = blocks("python")
    (tmp_path / "problem.py").write_text(problem)
    (tmp_path / "model.py").write_text(model)
    loaded = load_problem(tmp_path / "problem.py").problem
    assert loaded.fidelity is not None
    assert (loaded.fidelity.rungs(), loaded.checkpoints) == ((1, 3, 9, 27, 81), "keep-best 5")
    monkeypatch.setenv("AMBS_CHECKPOINT_DIR", str(tmp_path / "checkpoint"))
    names: dict[str, object] = {}
    exec(compile(model, "model.py", "exec"), names)
    train = names["train"]
    assert callable(train)
    first = train(0.1, 100)
    (tmp_path / "checkpoint" / "state.json").write_text("[80, 0.5]")
    assert (first, train(0.1, 100)) == (pytest.approx(0.115_328, abs=1e-5), pytest.approx(0.97 * 0.5 + 0.001))


@pytest.mark.parametrize("kind", databases.KINDS)
def test_the_pages_queries_run(kind: str, tmp_path: Path) -> None:
    """On both databases."""
    (block,) = blocks("sql")
    with databases.fresh_database(kind, tmp_path) as url:
        engine = open_database(url)
        for query in block.strip().split(";\n"):
            run_read_only_sql(engine, query.rstrip(";"))
        engine.dispose()
