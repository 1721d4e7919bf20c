"""`--from` as a person gives it: planned, run and shown."""

from __future__ import annotations

import json
from pathlib import Path

from tests.stories.commands import Shell

PROBLEM = """
from ambs_hpc import Problem
problem = Problem(name="{name}", space={{"lr": (1e-5, 1e-1, "log"), {more}}}, objective="model:train")
"""
MODEL = """
import math
def train(configuration):
    return (math.log10(configuration["lr"]) + 3.0) ** 2
"""


def test_a_warm_start_is_planned_run_and_shown(tmp_path: Path) -> None:
    """A plan says what fits and stores nothing; the run begins with what it said, and status tells it."""
    shell = Shell(tmp_path, str(tmp_path / "ambs.db"))
    shell.write("model.py", MODEL)
    shell.write("old.py", PROBLEM.format(name="old", more='"depth": (1, 9)'))
    shell.write("new.py", PROBLEM.format(name="new", more='"width": (0.0, 1.0)'))
    shell.ambs("run", "old.py", "--max-evaluations", "6", "--slots", "1", "--method", "sobol")
    refused = shell.rejected("run", "new.py", "--from", "old", "--from", "oldd", "--dry-run")
    assert "--from oldd: there is no such campaign" in refused
    plan = json.loads(shell.ambs("run", "new.py", "--from", "old", "--dry-run", "--json"))
    assert plan["from"] == ["campaign old: 6 of 6 results fit; default for width; ignored: depth"]
    shell.ambs("run", "new.py", "--from", "old", "--max-evaluations", "16", "--slots", "1")
    old, new = json.loads(shell.ambs("status", "--json"))["campaigns"]
    assert (old["sources"], new["sources"]) == ([], [{"name": "campaign old", "observations": 6}])
    assert new["proposed_from_sources"] == new["proposed_from_sources_lately"] >= 1
    query = "select configuration, proposal_kind from v_evaluations order by id limit 16 offset 6"
    rows = shell.rows(query)
    assert json.loads(str(rows[0]["configuration"])) == plan["first_proposals"][0]
    assert "source" in {row["proposal_kind"] for row in rows}
