"""The best value that a running search shows follows the campaign as it is now."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Engine, update

from ambs_hpc.api.best_tracker import BestTracker
from ambs_hpc.campaign import Progress
from ambs_hpc.queue import claim, complete, transaction
from ambs_hpc.queue.schema.tables import campaign as campaigns
from tests.queue import stock


def test_the_shown_best_is_judged_by_the_constraints_of_now(any_engine: Engine) -> None:
    """A person has revised them while the search runs: what they allow now is shown."""
    with transaction(any_engine) as connection:
        stated = {"space": {}, "constraints": [["latency", "<", 10.0]]}
        campaign = stock.campaign(connection, problem=stated)
        stock.evaluations(connection, campaign.id, 3)
        launcher_id = stock.launcher(connection)
        done = [
            replace(stock.success(one, float(one.ordinal)), metrics={"latency": 30.0 - 10.0 * one.ordinal})
            for one in claim(connection, launcher_id, 3)
        ]
        complete(connection, launcher_id, done)
    nothing = Progress({}, 0, None)
    assert BestTracker(any_engine, campaign).value(nothing) is None
    tracker = BestTracker(any_engine, campaign)
    with transaction(any_engine) as connection:
        wider = {**stated, "constraints": [["latency", "<=", 20.0]]}
        connection.execute(update(campaigns).where(campaigns.c.id == campaign.id).values(problem=wider))
    assert tracker.value(nothing) == 1.0
