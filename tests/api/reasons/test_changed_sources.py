"""Results of an objective that was edited are not mixed with older ones without a word."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from ambs_hpc.api.reasons.changed_sources import changed_sources
from ambs_hpc.problem import Problem
from ambs_hpc.problem.problem_file import LoadedProblem
from ambs_hpc.provenance.facts import provenance_facts
from ambs_hpc.queue import claim, complete, note_provenance, open_database, transaction
from tests.queue import stock


def test_what_the_results_did_not_run_with_is_named(sqlite_url: str, tmp_path: Path) -> None:
    """Where it is edited, once, and not for the problem file, whose changes are revisions."""
    for name in ("model.py", "problem.py"):
        (tmp_path / name).write_text("1")
    problem = Problem(name="p", space={"x": (0.0, 1.0)}, objective="model:train")
    loaded = LoadedProblem(problem, tmp_path / "problem.py")
    engine = open_database(sqlite_url)
    with transaction(engine) as connection:
        campaign = stock.campaign(connection, problem=problem.to_json(), objective=problem.objective_json)
        stock.evaluations(connection, campaign.id, 1)
        launcher = stock.launcher(connection)
        note_provenance(connection, campaign.id, launcher, provenance_facts(tmp_path, os.environ), "node1")
    (tmp_path / "model.py").write_text("2")
    assert changed_sources(engine, campaign, loaded) == ""  # there is no result yet
    with transaction(engine) as connection:
        complete(connection, launcher, stock.successes(claim(connection, launcher, 1)))
    told = changed_sources(engine, campaign, loaded)
    assert told.startswith("not what the results until now ran with: files model.py. New results join")
    (tmp_path / "model.py").write_text("1")
    (tmp_path / "problem.py").write_text("2")
    assert changed_sources(engine, campaign, loaded) == ""
    own = replace(campaign, definition=replace(campaign.definition, objective={"function": "problem:train"}))
    assert "files problem.py." in changed_sources(engine, own, loaded)
    engine.dispose()
