"""What the end of time leaves behind, and a search that shares the launcher's allocation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.stories.commands import Shell

MODEL = """
import os, pathlib, signal, sys, time
STEPS = 60
def train(configuration):
    file = pathlib.Path(os.environ["AMBS_CHECKPOINT_DIR"]) / "step"
    file.parent.mkdir(parents=True, exist_ok=True)
    begin = int(file.read_text()) if file.exists() else 0
    state = {"step": begin}
    def save(*_):
        file.write_text(str(state["step"]))
        sys.exit(1)
    signal.signal(signal.SIGTERM, save)
    for state["step"] in range(begin, STEPS):
        time.sleep(0.1)
    return {"objective": configuration["x"], "steps": STEPS - begin}
def quick(configuration):
    time.sleep(float(os.environ.get("SLEEP_SECONDS", "0")))
    return configuration["x"]
"""
PROBLEM = """
from ambs_hpc import Problem, Resources
problem = Problem(name="p", space={{"x": (0.0, 1.0)}}, objective="model:{function}"{more})
"""

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    made = Shell(tmp_path, "")
    made.write("model.py", MODEL)
    made.write("train.py", PROBLEM.format(function="train", more=""))
    made.write("quick.py", PROBLEM.format(function="quick", more=""))
    made.write("large.py", PROBLEM.format(function="quick", more=", resources=Resources(cores=4096)"))
    return made


def test_notice_before_the_end_leaves_a_checkpoint(shell: Shell) -> None:
    """A run that is longer than any walltime gets done over several, and never counts as failed."""
    told = []
    limit = ("--max-minutes", "0.08", "--notice", "2", "--idle-exit", "1")
    with_search = ("--with-search", "train.py", "--max-evaluations", "1", "--slots", "1")
    for _ in range(12):
        told.append(json.loads(shell.ambs("launch", *limit, *with_search, "--json")))
        if told[-1]["done"]:
            break
    assert told[-1]["done"] == 1
    assert all(one["failed"] == 0 for one in told)
    assert [one["reason"] for one in told[:-1]] == ["time limit"] * (len(told) - 1)
    (row,) = shell.rows("select state, failures, interruptions, attempt, metrics from v_evaluations")
    # On a slow machine an allocation may end before the run has begun in it: that interrupts nothing.
    interrupted = sum(one["interrupted"] for one in told)
    assert 2 <= interrupted < len(told)
    assert (row["state"], row["failures"], row["interruptions"]) == ("DONE", 0, interrupted)
    assert interrupted < row["attempt"] <= len(told)
    metrics = row["metrics"]
    assert (json.loads(metrics) if isinstance(metrics, str) else metrics)["steps"] < 60  # type: ignore[index]


def test_search_inside_the_allocation_ends_with_its_work(shell: Shell) -> None:
    """When it is complete the nodes are given back at once, whatever the patience."""
    options = ("--max-evaluations", "12", "--slots", "2", "--idle-exit", "600")
    told = json.loads(
        shell.ambs("launch", "--with-search", "quick.py", *options, "--json", timeout_seconds=60)
    )
    assert (told["done"], told["reason"]) == (12, "idle")


def test_no_search_on_a_shared_service_node(shell: Shell) -> None:
    """The centre would end it, and us with it."""
    said = shell.rejected(
        "submit", "-n", "8", "-t", "10", "-A", "P", "-s", "theta", "--with-search", "quick.py", "--dry-run"
    )
    assert "ambs search quick.py" in said


def test_submit_passes_on_what_the_launcher_is_to_do(shell: Shell) -> None:
    """As seen in the script."""
    options = ("--with-search", "quick.py", "--max-evaluations", "50", "--notice", "120")
    script = shell.ambs("submit", "-n", "2", "-t", "10", "-s", "slurm", *options, "--dry-run")
    assert "export AMBS_LOG=INFO" in script
    assert f"--notice 120.0 --with-search {shell.folder / 'quick.py'} --max-evaluations 50" in script


def test_budget_without_a_search_is_told(shell: Shell) -> None:
    """It would be ignored."""
    assert "--with-search" in shell.rejected("launch", "--max-evaluations", "5")


def test_notice_that_leaves_no_time_is_told(shell: Shell) -> None:
    """Else allocations would be granted, charged, and end at once."""
    assert "--notice 900" in shell.rejected("launch", "--max-minutes", "15", "--notice", "900")
    asked = ("submit", "-n", "1", "-t", "10", "-s", "slurm", "--dry-run")
    assert "600 seconds" in shell.rejected(*asked, "--notice", "3600")
    shell.ambs(*asked, "--notice", "300")


def test_status_tells_what_the_last_launcher_said(shell: Shell) -> None:
    """Evaluations that fit nowhere must not wait in silence, however short the launcher lived."""
    shell.ambs("search", "large.py", "--max-evaluations", "3", "--slots", "3", "--max-minutes", "0.05")
    assert "cores=4096" in shell.rejected("launch", "--campaign", "p")
    text = shell.ambs("status")
    assert "3 evaluations wait and no launcher is alive: ambs launch\n" in text
    shell.write("ambs.yml", "site: slurm\n")  # there an allocation may be queued, or be asked for
    assert "no launcher is alive: ambs why idle\n" in shell.ambs("status")
    assert "ended (idle); refuses p: " in text
    assert "Correct `resources`" in text
    last = json.loads(shell.ambs("status", "--json"))["last_launcher"]
    assert last["ended"]
    assert last["utilisation"] == 0.0


def test_busy_shares_agree(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the launcher counted, and what the view adds up from the evaluations."""
    monkeypatch.setenv("SLEEP_SECONDS", "0.5")
    shell.ambs("search", "quick.py", "--max-evaluations", "12", "--slots", "12", "--max-minutes", "0.05")
    shell.ambs("launch", "--slots", "2", "--campaign", "p", "--idle-exit", "0")
    (seen,) = shell.rows("select utilisation from v_utilisation")
    last = json.loads(shell.ambs("status", "--json"))["last_launcher"]
    assert last["utilisation"] == pytest.approx(seen["utilisation"], rel=0.01)
    assert 0.1 < last["utilisation"] <= 1.0
