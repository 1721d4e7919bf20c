"""A problem file may close or end what it likes: the command that executes it goes on, or says why not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ambs_hpc.campaign import SearchSettings, define_campaign
from ambs_hpc.errors import ProblemError
from ambs_hpc.problem import load_problem

PROBLEM = (
    "\nfrom ambs_hpc import Problem\nproblem = Problem(name='p', space={'x': (0.0, 1.0)}, objective='m:f')\n"
)


def written(folder: Path, begin: str) -> Path:
    (folder / "m.py").write_text("def f(x):\n    return x\n")
    file = folder / "problem.py"
    file.write_text(begin + PROBLEM)
    return file


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_the_file_closes_stays_open_here(stream: str, tmp_path: Path) -> None:
    """Otherwise the next message of the command would be a traceback."""
    load_problem(written(tmp_path, f"import sys; print(1); sys.{stream}.close()"))
    assert not (sys.stdout.closed or sys.stderr.closed)


def test_a_file_that_ends_the_process_is_told(tmp_path: Path) -> None:
    """`os._exit` asks nobody: the command would be gone without a word."""
    end = os._exit
    with pytest.raises(ProblemError, match=r"ends the program \(3\)"):
        load_problem(written(tmp_path, "import os; os._exit(3)"))
    assert os._exit is end


def test_runs_beside_this_folder_are_a_folder_that_launchers_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Launchers refuse `..` in a row, so that `--runs ../runs` must be stored without it."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    loaded = load_problem(written(here, ""))
    wanted = define_campaign(loaded, SearchSettings(run_root=Path("../runs")))
    assert wanted.run_directory == str(tmp_path.resolve() / "runs" / "p")
