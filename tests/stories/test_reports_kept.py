"""A launcher is killed while its evaluations report: the curve is whole, and goes on in the next attempt."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.databases import wait_until
from tests.stories.commands import Shell

PROBLEM = """
from ambs_hpc import Problem
problem = Problem(name="curves", space={"x": (0.0, 1.0)}, objective="model:train")
"""
# Goes on from its checkpoint, which is one step behind what it has reported when it is killed.
MODEL = """
import os, pathlib, time
from ambs_hpc import report
def train(configuration):
    folder = pathlib.Path(os.environ["AMBS_CHECKPOINT_DIR"])
    folder.mkdir(parents=True, exist_ok=True)
    begin = int((folder / "step").read_text()) if (folder / "step").exists() else 0
    attempt = int(os.environ["AMBS_ATTEMPT"])
    for step in range(begin, 8):
        report(step, step / 8, attempt=attempt)
        if attempt == 1 and step == 4:
            (folder / "waits").touch()
            time.sleep(600)
        (folder / "step.part").write_text(str(step))
        (folder / "step.part").replace(folder / "step")
    return 1.0
"""


@pytest.mark.timeout(180)
def test_a_killed_launchers_reports_are_kept(tmp_path: Path, any_url: str) -> None:
    """SIGKILL to `ambs run` and its launcher, right after the report: nobody has told the database."""
    shell = Shell(tmp_path, any_url)
    shell.write("problem.py", PROBLEM)
    shell.write("model.py", MODEL)
    command = ("run", "problem.py", "--max-evaluations", "1", "--slots", "1", "--json")
    run = shell.start(*command)
    wait_until(lambda: list(tmp_path.glob("**/waits")), 60, 0.01)
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    for pid in (run.pid, *map(int, children)):
        os.kill(pid, signal.SIGKILL)
    run.communicate()
    shell.ambs(*command)
    rows = shell.rows("select step, objective, attempt, metrics from v_reports order by step")
    assert [row["step"] for row in rows] == list(range(8))
    assert [row["objective"] for row in rows] == [step / 8 for step in range(8)]
    assert [row["attempt"] for row in rows] == [1, 1, 1, 2, 2, 2, 2, 2]
    said = json.loads(shell.ambs("show", "1", "--json"))
    assert (said["state"], said["attempt"]) == ("DONE", 2)
