"""A search on a login node shares it with everybody."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ambs_hpc.cli.shared.login_node_limits import limit_on_login_node
from tests.stories.commands import Shell

# The search executes it, and it tells how the search runs.
PROBLEM = """
import json, os, pathlib
from ambs_hpc import Problem
told = [os.nice(0), os.environ.get("OMP_NUM_THREADS"), os.environ.get("OPENBLAS_NUM_THREADS")]
pathlib.Path(__file__).with_name("told").write_text(json.dumps(told))
problem = Problem(name="p", space={"x": (0.0, 1.0)}, objective="model:train")
"""
SEARCH = ("search", "problem.py", "--max-evaluations", "1", "--slots", "1", "--max-minutes", "0.02")


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    made = Shell(tmp_path, str(tmp_path / "ambs.db"))
    made.write("problem.py", PROBLEM)
    made.write("model.py", "def train(configuration): return 1.0")
    return made


def told(shell: Shell) -> object:
    shell.ambs(*SEARCH)
    return json.loads((shell.folder / "told").read_text())


def test_few_threads_and_low_priority_on_a_login_node(shell: Shell) -> None:
    """Centres end what takes more, without a warning."""
    shell.write("ambs.yml", "site: polaris")
    assert told(shell) == [max(10, os.nice(0)), "4", "4"]


def test_search_is_told_where_login_nodes_are_not_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would be ended without a word after some minutes."""
    monkeypatch.setattr("os.nice", lambda change: 0)
    (tmp_path / "ambs.yml").write_text("site: leonardo-booster\n")
    limit_on_login_node(tmp_path, {})
    assert "note: leonardo-booster: login nodes end a process after 10 minutes" in capsys.readouterr().err
    limit_on_login_node(tmp_path, {"AMBS_ALLOCATION": "1"})
    assert capsys.readouterr().err == ""


def test_what_the_site_allows_counts(shell: Shell) -> None:
    """A login node may give one core."""
    shell.write("mine.yml", "extends: polaris\nlogin_cores: 1")
    shell.write("ambs.yml", "site: mine")
    assert told(shell) == [max(10, os.nice(0)), "1", "1"]


def test_fewer_threads_stay_fewer(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user knows better than we do."""
    shell.write("ambs.yml", "site: polaris")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert told(shell) == [max(10, os.nice(0)), "2", "4"]


@pytest.mark.parametrize("settings", ["", "site: local"])
def test_ones_own_machine_is_ones_own(shell: Shell, settings: str) -> None:
    """Nobody else is held up there."""
    shell.write("ambs.yml", settings)
    assert told(shell) == [os.nice(0), None, None]
