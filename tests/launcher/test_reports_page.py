"""docs/reports.md does what it says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ambs_hpc.launcher.executors import report_log
from ambs_hpc.launcher.executors.parsl import pool_reports
from ambs_hpc.launcher.supervisor.progress import report_gatherer, report_lines
from tests.stories.commands import Shell

PAGE = (Path(__file__).parents[2] / "docs" / "reports.md").read_text()
PROBLEM = """
from ambs_hpc import Command, Problem
problem = Problem(name="mynet", space={space}, objective={objective})
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.timeout(120)
def test_blocks_of_the_page_run(tmp_path: Path) -> None:
    """What people copy works: a function, a program, SQL and Python."""
    shell = Shell(tmp_path, f"sqlite:///{tmp_path / 'ambs.db'}")
    model, reading = blocks("python")
    (script,) = blocks("bash")
    shell.write("model.py", model)
    shell.write("simulate.sh", script)
    space = {"lr": (0.1, 1.0), "units": (1, 8)}
    shell.write("problem.py", PROBLEM.format(space=space, objective="'model:train'"))
    command = "Command(['bash', 'simulate.sh', '{x}'])"
    program = PROBLEM.format(space={"x": (0.0, 1.0)}, objective=command).replace("mynet", "program")
    shell.write("program.py", program)
    shell.ambs("run", "problem.py", "--max-evaluations", "2", "--method", "random")
    shell.ambs("run", "program.py", "--max-evaluations", "1", "--method", "random")
    counts = shell.rows("select campaign, count(*) as n, max(step) as last from v_reports group by campaign")
    assert {one["campaign"]: (one["n"], one["last"]) for one in counts} == {
        "mynet": (40, 20),
        "program": (4, 4),
    }
    for query in blocks("sql")[0].strip().splitlines():
        shell.ambs("sql", query)
    script = reading.replace('"ambs.db"', '"ambs.db", "mynet"') + "print(len(curve), list(curve[0]) if "
    script += "isinstance(curve, list) else list(curve.columns))\n"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=shell.environment, capture_output=True, text=True
    )
    assert done.stdout == "20 ['step', 'objective', 'attempt', 'at', 'thinned', 'm:lr_now']\n", done.stderr
    shown = shell.ambs("show", "1")
    assert "reports        20 kept; the last 10" in shown
    assert [one["step"] for one in json.loads(shell.ambs("show", "1", "--json"))["reports"]] == [
        *range(1, 21)
    ]


def test_numbers_of_the_page_are_those_of_the_code() -> None:
    """Whoever plans with them is not surprised."""
    page = PAGE.replace("\n", " ")
    for words in (
        f"first {report_lines.KEPT_OF_EACH_STRIDE} reports",
        f"at most {report_lines.LONGEST_LINE} bytes of JSON",
        f"at most {report_lines.MOST_METRICS} metrics",
        f"a text {report_lines.LONGEST_TEXT} characters, a metric's name {report_lines.LONGEST_NAME}",
        f"keeps {report_log.MOST_HELD} reports",
        f"has {pool_reports.MOST_BYTES >> 20} MiB",
        f"`{report_lines.REPORTS}`",
    ):
        assert words in " ".join(page.split()), words
    assert report_lines.LARGEST_STEP == 2**53
    assert report_gatherer.SPELL_SECONDS / report_gatherer.LOOK_SECONDS == 1 / 20
