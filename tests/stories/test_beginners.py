"""Mistakes of somebody's first day: each gets one message that says what to do, and costs next to nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.databases import wait_until
from tests.stories.commands import Shell

PROBLEM = """
from ambs_hpc import Command, Problem
problem = Problem(name="p", space={{"lr": (0.0, 1.0), "units": (1, 64)}}, objective={objective})
"""
TRAIN = "model:train"


def shell_with(folder: Path, model: str, objective: str = repr(TRAIN)) -> Shell:
    shell = Shell(folder, str(folder / "ambs.db"))
    shell.write("problem.py", PROBLEM.format(objective=objective))
    shell.write("model.py", model)
    return shell


def refused(shell: Shell, *arguments: str) -> str:
    """What is said on stderr by a command that ends with status 1; a traceback is of a person's code."""
    process = shell.start(*arguments)
    out, err = process.communicate(timeout=90)
    assert process.returncode == 1, f"ambs {' '.join(arguments)}: {process.returncode}\n{out}\n{err}"
    return err


GOOD = "def train(configuration):\n    return configuration['lr']\n"
# (objective, model.py, what is said)
BEFORE = {
    "the function's name": ("model:trian", GOOD, ["no function 'trian'", "Did you mean 'train'?"]),
    "the module's name": ("modle:train", GOOD, ["no module 'modle'", "Put the module beside"]),
    "a library that is missing": (
        TRAIN,
        f"import torchh\n{GOOD}",
        ["No module named 'torchh'", "model.py", "line 1", "--no-check"],
    ),
    "arguments": (
        TRAIN,
        "def train(x, y):\n    return x\n",
        ["train(x, y) needs 'x', 'y'", "def train(configuration)", "def train(lr, units)"],
    ),
    "a class": (TRAIN, "class train:\n    def __init__(self, configuration): ...\n", ["train is a class"]),
    "a coroutine": (TRAIN, "async def train(configuration):\n    return 1.0\n", ["coroutine", "with def"]),
    "a text": (
        TRAIN,
        "def train(configuration) -> str:\n    return 'good'\n",
        ["annotated to return str", "must return a number"],
    ),
}


COMMANDS = {
    "a class": ("search", "problem.py", "--max-evaluations", "20"),
    "a coroutine": (
        "submit",
        "-s",
        "slurm",
        "-n",
        "2",
        "-t",
        "10",
        "--with-search",
        "problem.py",
        "--dry-run",
    ),
    "a text": ("run", "problem.py", "--dry-run"),
}


@pytest.mark.parametrize("mistake", BEFORE)
def test_a_mistake_is_told_before_anything_is_spent(mistake: str, tmp_path: Path) -> None:
    """It was found by a launcher, in an allocation, or never: all evaluations failed with status 0."""
    objective, model, words = BEFORE[mistake]
    shell = shell_with(tmp_path, model, repr(objective))
    command = COMMANDS.get(mistake, ("run", "problem.py", "--max-evaluations", "20"))
    message = refused(shell, *command)
    assert message.startswith("ambs: ")
    for part in words:
        assert part in message
    assert not (tmp_path / "ambs.db").exists()
    assert not (tmp_path / "ambs-runs").exists()


def test_a_forgotten_return_stops_a_search_of_thousands(tmp_path: Path) -> None:
    """Ten alike are enough; what is wrong, where it is written and how it goes on is said."""
    shell = shell_with(tmp_path, "def train(configuration):\n    print(configuration['lr'])\n")
    message = refused(shell, "run", "problem.py", "--max-evaluations", "5000", "--slots", "1")
    assert "The first 10 evaluations have all failed alike" in message
    assert "the objective None is not a number: is a `return` missing?" in message
    assert "ambs logs 10, which is" in message
    assert "ambs rerun --failed --campaign" in message
    [counted] = shell.rows("select count(*) as n from v_evaluations where state = 'FAILED'")
    assert 10 <= int(str(counted["n"])) <= 12
    shell.write("model.py", GOOD)
    shell.ambs("rerun", "--failed")
    summary = json.loads(shell.ambs("run", "problem.py", "--max-evaluations", "14", "--json"))
    assert summary["counts"]["DONE"] == 14


def test_a_campaign_without_any_result_is_no_success(tmp_path: Path) -> None:
    """It ended with status 0, and a script went on with it; also where it was to keep going."""
    shell = shell_with(tmp_path, "def train(configuration):\n    return configuration['rate']\n")
    options = ("--max-evaluations", "12", "--slots", "1", "--method", "random", "--keep-going")
    message = refused(shell, "run", "problem.py", *options)
    assert "Nothing succeeded: all 12 evaluations that ended have failed." in message
    assert "KeyError: 'rate'" in message
    assert "model.py" in message
    assert "ambs_hpc" not in message.partition("Its log")[0]


def test_a_bare_number_on_stdout_counts_and_is_remarked(tmp_path: Path) -> None:
    """It failed with a hint to an empty file; now the person is told how to be sure."""
    command = 'Command(["sh", "-c", "echo training; echo {lr}"])'
    shell = shell_with(tmp_path, GOOD, command)
    said = shell.ambs("run", "problem.py", "--max-evaluations", "2", "--slots", "1")
    assert "2 done" in said
    assert "the number on the last line of stdout; print 'AMBS-RESULT: NUMBER' to be sure" in said
    assert json.loads(shell.ambs("status", "--json"))["campaigns"][0]["note"].startswith("note: ")


def test_a_launcher_that_starts_before_its_search_waits_for_it(tmp_path: Path) -> None:
    """`ambs search & ambs launch` in one script: the launcher died, because there was no database yet."""
    shell = shell_with(tmp_path, GOOD)
    launcher = shell.start("launch", "--campaign", "p", "--idle-exit", "1")
    try:
        told: list[str] = []
        assert launcher.stderr is not None
        told.append(launcher.stderr.readline())
        assert "waiting at most 60 s (--wait): There is no database" in told[0]
        shell.ambs("search", "problem.py", "--max-evaluations", "3", "--slots", "2")
        out, _ = launcher.communicate(timeout=60)
    finally:
        launcher.kill()
    assert launcher.returncode == 0
    assert "3 done" in out


def test_a_launcher_that_is_not_to_wait_says_at_once_what_is_missing(tmp_path: Path) -> None:
    """Somebody who mistypes --db does not want to look at it for a minute."""
    shell = shell_with(tmp_path, GOOD)
    message = shell.rejected("launch", "--wait", "0", "--db", "absent.db")
    assert "absent.db" in message
    assert "There is no database" in message


def test_what_this_machine_lacks_is_a_warning_where_evaluations_run_elsewhere(tmp_path: Path) -> None:
    """Login nodes have no GPU libraries; `ambs run` does not start, `ambs search` proposes and warns."""
    shell = shell_with(tmp_path, f"import torch_for_gpus\n{GOOD}")
    search = shell.start("search", "problem.py", "--max-evaluations", "2", "--max-minutes", "0.01")
    _, err = search.communicate(timeout=90)
    assert search.returncode == 0
    assert shell.has_ready()
    assert "warning: " in err
    assert "No module named 'torch_for_gpus', on this machine at least; --no-check skips this trial" in err
    assert "torch_for_gpus" in refused(shell, "run", "problem.py", "--dry-run")
    assert "goes on unchanged" in shell.ambs("run", "problem.py", "--dry-run", "--no-check")


def test_a_search_beside_a_launcher_that_is_hopeless_ends_both(tmp_path: Path) -> None:
    """An allocation of a thousand nodes must not try five thousand times what cannot work."""
    shell = shell_with(tmp_path, "def train(configuration):\n    raise ValueError('no data')\n")
    launcher = shell.start(
        "launch", "--with-search", "problem.py", "--max-evaluations", "5000", "--slots", "2", "--json"
    )
    wait_until(lambda: launcher.poll() is not None, 90, 0.2)
    out, err = launcher.communicate()
    assert launcher.returncode == 1
    assert json.loads(out)["reason"] == "hopeless"
    assert "The first 10 evaluations have all failed alike" in err
    assert "ValueError: no data" in err
    [counted] = shell.rows("select count(*) as n from v_evaluations where state = 'FAILED'")
    assert int(str(counted["n"])) < 100
