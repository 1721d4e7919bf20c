"""A search learns from rungs through the database, and a restarted one learns the same."""

from __future__ import annotations

import time

from sqlalchemy import Engine

from ambs_hpc.campaign import SearchLoop
from ambs_hpc.clock import ManualClock
from ambs_hpc.fidelity import Fidelity
from ambs_hpc.problem import Problem
from ambs_hpc.queue import NewReport, add_reports, claim, proposals_of, reading, transaction
from ambs_hpc.records import Campaign
from tests.queue import stock

PROBLEM = Problem(
    name="digits", space={"lr": (0.0, 1.0)}, objective="model:train", fidelity=Fidelity("epochs", 1, 9)
)
SMALL = {"trees": 3, "candidates": 40, "design_size": 3}


def begin(engine: Engine, name: str) -> Campaign:
    problem = {key: value for key, value in PROBLEM.to_json().items() if key != "name"}
    with transaction(engine) as connection:
        return stock.campaign(connection, name=name, problem=problem, method="ambs", method_options=SMALL)


def report(engine: Engine, campaign: Campaign, number: int) -> None:
    """Evaluations that run report the steps of all rungs."""
    with transaction(engine) as connection:
        launcher_id = stock.launcher(connection)
        claims = claim(connection, launcher_id, number, campaign_ids=[campaign.id])
        told = [
            NewReport(
                one.id, one.attempt, one.token, step, abs(float(one.configuration["lr"]) - 0.3), time.time()
            )
            for one in claims
            for step in (1, 3, 9)
        ]
        add_reports(connection, told)


def test_a_restarted_search_has_learned_the_same_from_rungs(any_engine: Engine) -> None:
    """Nothing has ended: all that either of the two knows are values on rungs."""
    found = []
    for name, is_restarted in (("one", False), ("other", True)):
        campaign = begin(any_engine, name)
        loop = SearchLoop(any_engine, campaign, 8, ManualClock())
        loop.open()
        for slots in (8, 12, 16):
            if is_restarted:
                loop.close()
                loop = SearchLoop(any_engine, campaign, slots, ManualClock())
                loop.open()
            loop._slots = slots
            loop.step()
            report(any_engine, campaign, 4)
        loop.close()
        with reading(any_engine) as connection:
            found.append([one.proposal for one in proposals_of(connection, campaign.id)])
    assert found[0] == found[1]
    assert {one.kind for one in found[0]} == {"design", "model"}
