"""`ambs best` says what a person has to know of a result before taking it."""

from __future__ import annotations

import json
from dataclasses import replace

from typer.testing import CliRunner

from ambs_hpc.campaign import revise
from ambs_hpc.campaign.creation import edited_campaign
from ambs_hpc.cli.main import app
from ambs_hpc.problem import Problem
from ambs_hpc.queue import claim, complete, enqueue, open_database, transaction
from ambs_hpc.records import NewEvaluation, Proposal, Resources
from tests.queue import stock


def test_results_outside_of_a_narrowed_space_are_marked(sqlite_url: str) -> None:
    """The space may have been narrowed because such values cannot be used."""
    problem = Problem(name="net", space={"lr": (0.001, 1.0)}, objective="model:train").to_json()
    engine = open_database(sqlite_url)
    with transaction(engine) as connection:
        campaign = stock.campaign(connection, name="net", problem={**problem, "starting_points": []})
        new = [
            NewEvaluation(n, Proposal({"lr": lr}, "design"), Resources()) for n, lr in enumerate((0.5, 0.01))
        ]
        enqueue(connection, campaign.id, new)
        launcher = stock.launcher(connection)
        complete(connection, launcher, stock.successes(claim(connection, launcher, 2)))
    options = replace(campaign.definition, method_options={})
    campaign = replace(campaign, definition=options)
    assert "note" not in CliRunner().invoke(app, ["best", "-n", "2", "--db", sqlite_url]).stdout
    revise(engine, campaign, edited_campaign(campaign, {"--narrow": ["lr=0.001..0.1"]}, {}))
    text = CliRunner().invoke(app, ["best", "-n", "2", "--db", sqlite_url]).stdout.splitlines()
    assert text[0].endswith("\tnote")
    assert "outside of the space that is searched now: ambs space net" in text[1]
    assert text[2].endswith("lr=0.01\t")
    rows = json.loads(CliRunner().invoke(app, ["best", "-n", "2", "--db", sqlite_url, "--json"]).stdout)
    assert [bool(row["note"]) for row in rows] == [True, False]
    engine.dispose()
