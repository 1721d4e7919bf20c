"""No number counts that its own attempt did not give, whatever lies on disk and whatever a row says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import text

from ambs_hpc.queue import open_database, transaction
from tests import databases
from tests.stories.commands import Shell

PROBLEM = """
from ambs_hpc import Problem
problem = Problem(name="p", space={"x": (0.0, 1.0)}, objective="model:train", time_limit_seconds=2%s)
"""
SILENT = """
import os, signal, time
def train(configuration):
    ordinal = int(os.environ["AMBS_ORDINAL"])
    if ordinal == 1: time.sleep(60)
    if ordinal == 2: os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)
"""
CHECKPOINTS = """
import json, os, pathlib
def train(configuration):
    file = pathlib.Path(os.environ["AMBS_CHECKPOINT_DIR"]) / "state"
    file.parent.mkdir(parents=True, exist_ok=True)
    state = json.loads(file.read_text()) if file.exists() else {"x": configuration["x"]}
    file.write_text(json.dumps(state))
    return state["x"]
"""


def run(shell: Shell, number: int, seed: int, *, status: int = 0) -> None:
    count = str(number)
    method = ("--method", "random", "--seed", str(seed), "--slots", "1")
    shell.ambs("run", "problem.py", "--max-evaluations", count, *method, status=status)


def objectives_and_x(shell: Shell) -> list[tuple[object, object]]:
    rows = shell.rows("select objective, configuration from v_evaluations order by ordinal")
    found = []
    for row in rows:
        told = row["configuration"]
        configuration = json.loads(told) if isinstance(told, str) else told
        found.append((row["objective"], configuration["x"]))  # type: ignore[index]
    return found


@pytest.mark.parametrize("kind", databases.KINDS)
def test_results_of_an_earlier_campaign_do_not_count(kind: str, tmp_path: Path) -> None:
    """A database is removed and made anew; folders of the same names still lie there."""
    with databases.fresh_database(kind, tmp_path) as url:
        shell = Shell(tmp_path, url)
        shell.write("problem.py", PROBLEM % "")
        shell.write("model.py", "def train(configuration):\n    return 0.9\n")
        run(shell, 3, seed=1)
    (tmp_path / "second").mkdir()
    with databases.fresh_database(kind, tmp_path / "second") as url:
        shell = Shell(tmp_path, url)
        shell.write("model.py", SILENT)
        run(shell, 3, seed=2, status=1)
        rows = shell.rows("select failure_kind from v_evaluations order by ordinal")
        assert [row["failure_kind"] for row in rows] == ["ERROR", "TIMEOUT", "BAD_RESULT"]


@pytest.mark.parametrize("kind", databases.KINDS)
def test_checkpoints_of_an_earlier_campaign_are_not_found(kind: str, tmp_path: Path) -> None:
    """Going on from another configuration's state gives another configuration's number."""
    for name, seed in (("first", 1), ("second", 2)):
        (tmp_path / name).mkdir()
        with databases.fresh_database(kind, tmp_path / name) as url:
            shell = Shell(tmp_path, url)
            shell.write("problem.py", PROBLEM % "")
            shell.write("model.py", CHECKPOINTS)
            run(shell, 3, seed)
            assert all(objective == x for objective, x in objectives_and_x(shell))


def test_evaluations_draw_numbers_of_their_own(tmp_path: Path, sqlite_url: str) -> None:
    """Forks of one process begin with one state of its generators; a second campaign draws the same again."""
    shell = Shell(tmp_path, sqlite_url)
    shell.write("problem.py", PROBLEM % "")
    shell.write(
        "model.py",
        "import random, numpy\n"
        "def train(configuration):\n"
        "    return {'objective': 1, 'python': random.random(), 'numpy': float(numpy.random.rand())}\n",
    )
    run(shell, 4, seed=1)
    metrics = [row["metrics"] for row in shell.rows("select metrics from v_evaluations")]
    drawn = [json.loads(one) if isinstance(one, str) else one for one in metrics]
    for generator in ("python", "numpy"):
        assert len({one[generator] for one in drawn}) == 4  # type: ignore[index]


@pytest.mark.parametrize("warm", [True, False], ids=["forked", "cold"])
def test_row_that_names_another_run_directory_is_refused(warm: bool, tmp_path: Path, any_url: str) -> None:
    """Whoever may write the row would choose which files of the launcher's user are written and imported."""
    shell = Shell(tmp_path, any_url)
    shell.write("problem.py", PROBLEM % ("" if warm else ", warm=False"))
    shell.write("model.py", "def train(configuration):\n    print('said')\n    return configuration['x']\n")
    search = shell.start(
        "search", "problem.py", "--max-evaluations", "2", "--slots", "2", "--method", "random"
    )
    try:
        shell.wait_for_proposals(search)
        trap = tmp_path / "trap"
        for ordinal in (0, 1):
            folder = trap / "000" / f"{ordinal:06d}-1"
            folder.mkdir(parents=True)
            (folder / "json.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w')\n")
            (folder / "stdout").symlink_to(tmp_path / "appended")
        with transaction(open_database(any_url)) as connection:
            connection.execute(text("UPDATE campaign SET run_directory = :trap"), {"trap": str(trap)})
        process = shell.start("launch", "--idle-exit", "1", "--max-minutes", "0.5")
        out, err = process.communicate(timeout=60)
        assert "not registered" in out + err
    finally:
        search.terminate()
        search.communicate(timeout=30)
    assert not (tmp_path / "imported").exists()
    assert not (tmp_path / "appended").exists()


def test_cold_function_imports_nothing_from_its_own_folder(tmp_path: Path, sqlite_url: str) -> None:
    """What an earlier attempt, or anybody else, left in the folder is data, not code."""
    shell = Shell(tmp_path, sqlite_url)
    shell.write("problem.py", PROBLEM % ", warm=False")
    shell.write(
        "model.py",
        "import sys\n"
        "def train(configuration):\n"
        "    return {'objective': 1, 'path': [one for one in sys.path if not one]}\n",
    )
    run(shell, 1, seed=1)
    (row,) = shell.rows("select state, metrics from v_evaluations")
    assert row["state"] == "DONE"
    metrics = row["metrics"]
    assert (json.loads(metrics) if isinstance(metrics, str) else metrics)["path"] == []  # type: ignore[index]
