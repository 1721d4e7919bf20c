"""A launcher that serves other campaigns only is none of this one's."""

from __future__ import annotations

from sqlalchemy import Engine

from ambs_hpc import open_campaign
from ambs_hpc.campaign import SearchLoop
from ambs_hpc.clock import ManualClock
from ambs_hpc.problem import Problem
from ambs_hpc.queue import live_launchers, transaction
from tests.queue import stock

FRESH = 60.0


def test_slots_are_those_that_may_run_the_campaign(any_engine: Engine) -> None:
    """Proposals for slots that never come are guesses that no result has corrected."""
    problem = Problem(name="one", space={"lr": (0.0, 1.0)}, objective="model:train").to_json()
    made = {"method": "random", "method_options": {}, "problem": problem}
    with transaction(any_engine) as connection:
        one, two = (stock.campaign(connection, name=name, uid=name, **made) for name in ("one", "two"))
        everyone = stock.launcher(connection, pid=1, slots=3)
        its_own = stock.launcher(connection, pid=2, slots=8, serves=(one.id,))
        both = stock.launcher(connection, pid=3, slots=16, serves=(one.id, two.id))
        assert [launcher.id for launcher in live_launchers(connection, FRESH)] == [everyone, its_own, both]
        serving = {each.id: live_launchers(connection, FRESH, each.id) for each in (one, two)}
    assert [launcher.identity.slots for launcher in serving[one.id]] == [3, 8, 16]
    assert [launcher.identity.serves for launcher in serving[two.id]] == [None, (one.id, two.id)]
    url = any_engine.url.render_as_string(hide_password=False)
    with open_campaign(url, "two") as campaign:
        assert (campaign.status().launchers, campaign.status().slots) == (2, 19)
    search = SearchLoop(any_engine, two, None, ManualClock())
    search.open()
    search.step()
    search.close()
    with open_campaign(url, "two") as campaign:
        assert 19 < campaign.status().in_flight < 25
