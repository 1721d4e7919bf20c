"""Ctrl-C, TERM and time limits: what runs is finished or given back, and the same command goes on."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.databases import wait_until
from tests.stories.commands import Shell
from tests.stories.kill_story import orphans_in

PROBLEM = """
from ambs_hpc import Problem
problem = Problem(name="p", space={"x": (0.0, 1.0)}, objective="model:train")
"""
# `begun` tells the test that evaluations run; TERM is what a launcher sends those it gives back.
MODEL = """
import pathlib, time
def train(configuration):
    here = pathlib.Path(__file__).parent
    with open(here / "begun", "a") as file: file.write("x")
    for _ in range(600):
        if (here / "go").exists(): break
        time.sleep(0.05)
    return configuration["x"]
"""
RUN = ("run", "problem.py", "--max-evaluations", "6", "--slots", "2")
STATES = "select state, count(*) as n from v_evaluations group by state"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    made = Shell(tmp_path, str(tmp_path / "ambs.db"))
    made.write("problem.py", PROBLEM)
    made.write("model.py", MODEL)
    return made


def begun(shell: Shell) -> subprocess.Popen[str]:
    """A campaign with two evaluations that wait for `go`."""
    process = shell.start(*RUN)
    file = shell.folder / "begun"
    wait_until(lambda: file.exists() and len(file.read_text()) >= 2, 30)
    return process


def is_draining(shell: Shell) -> bool:
    return "draining" in next(shell.folder.glob("ambs-runs/p/*/launcher.log")).read_text()


def states(shell: Shell) -> dict[object, object]:
    return {row["state"]: row["n"] for row in shell.rows(STATES)}


def interruptions(shell: Shell) -> object:
    query = "select sum(interruptions) as n from evaluation"
    return shell.rows(query)[0]["n"]


def test_ctrl_c_lets_running_evaluations_end(shell: Shell) -> None:
    """Work that was begun is not thrown away, nothing new is started, and the exit code says unfinished."""
    process = begun(shell)
    process.send_signal(signal.SIGINT)
    wait_until(lambda: is_draining(shell))
    shell.write("go", "")
    _, err = process.communicate(timeout=30)
    assert process.returncode == 3
    assert "the same command goes on" in err
    assert "Traceback" not in err
    ended = states(shell)
    assert ended["DONE"] == 2
    assert "RUNNING" not in ended
    assert interruptions(shell) == 0


def test_ctrl_c_before_anything_has_begun_is_told_too(shell: Shell) -> None:
    """A second after the command, while modules are imported: the same words and exit code as later."""
    shell.write(
        "problem.py", f"{PROBLEM}\nimport pathlib, time\npathlib.Path('read').touch()\ntime.sleep(60)\n"
    )
    process = shell.start(*RUN)
    wait_until(lambda: (shell.folder / "read").exists(), 30)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 3, err
    assert "the same command goes on" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("signals", [[signal.SIGINT, signal.SIGINT], [signal.SIGTERM]])
def test_second_ctrl_c_and_term_give_evaluations_back(shell: Shell, signals: list[signal.Signals]) -> None:
    """They are counted as interruptions, not as failures, and the next run ends them all."""
    process = begun(shell)
    for index, number in enumerate(signals):
        if index:
            wait_until(lambda: is_draining(shell))
        process.send_signal(number)
    _, err = process.communicate(timeout=40)
    assert process.returncode == 3
    assert "Traceback" not in err
    assert "RUNNING" not in states(shell)
    assert "DONE" not in states(shell)
    assert interruptions(shell) == 2
    assert orphans_in(shell.folder) == []
    shell.write("go", "")
    shell.ambs(*RUN)
    assert states(shell) == {"DONE": 6}


def test_time_limit_ends_a_run_that_did_what_was_asked(shell: Shell) -> None:
    """`--max-minutes` is a budget, not a failure."""
    shell.ambs(*RUN, "--max-minutes", "0.05", status=0)
    assert "RUNNING" not in states(shell)
    assert orphans_in(shell.folder) == []


def test_larger_budget_goes_on_with_the_same_campaign(shell: Shell) -> None:
    """The budget counts all evaluations of the campaign, not those of this run."""
    shell.write("go", "")
    shell.ambs(*RUN)
    shell.ambs("run", "problem.py", "--max-evaluations", "9", "--slots", "2")
    assert states(shell) == {"DONE": 9}


def test_launcher_follows_a_search_elsewhere(shell: Shell) -> None:
    """The two halves of `run`, apart: the search proposes, the launcher ends when there is no more."""
    shell.write("go", "")
    search = shell.start("search", "problem.py", "--max-evaluations", "6", "--slots", "2")
    wait_until(lambda: (shell.folder / "ambs.db").exists() and states_or_none(shell), 30)
    out = shell.ambs("launch", "--slots", "2", "--idle-exit", "0.5", "--json")
    assert '"done": 6' in out
    assert search.wait(30) == 0
    search.communicate()
    assert states(shell) == {"DONE": 6}


def states_or_none(shell: Shell) -> bool:
    process = shell.start("sql", STATES, "--json")
    out, _ = process.communicate(timeout=30)
    return process.returncode == 0 and "READY" in out
