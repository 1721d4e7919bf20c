"""How often a search asks its database, which it does several times a second."""

from __future__ import annotations

from sqlalchemy import Engine

from ambs_hpc.timing import SEARCH_HEARTBEAT_SECONDS
from tests.campaign.test_search_loop import finish, searching
from tests.statements import statements_of

# How far the campaign is, what has ended, and how many wait: no rungs, metrics, sources or revisions.
POLL = ["select campaign_progress", "select evaluation", "select coalesce"]
HEARTBEAT = ["select database_identity", "select campaign", "update campaign_progress"]


def test_a_poll_of_a_plain_campaign_is_three_statements(any_engine: Engine) -> None:
    """What a campaign does not use is not asked for."""
    loop, _, clock = searching(any_engine)
    loop.step()
    with statements_of(any_engine) as sent:
        loop.step()
        assert sent == POLL
        sent.clear()
        clock.sleep(SEARCH_HEARTBEAT_SECONDS)
        loop.step()
    assert sent == HEARTBEAT + POLL


def test_a_batch_of_proposals_is_one_transaction_of_nine_statements(any_engine: Engine) -> None:
    """Launchers wait for it with free slots; what is stored is read again after a lost answer alone."""
    loop, _, _ = searching(any_engine)
    loop.step()
    finish(any_engine, 3)
    told = ["notify ambs_ready"] if any_engine.dialect.name == "postgresql" else []
    with statements_of(any_engine) as sent:
        loop.step()
    counted = ["update campaign_progress", "select campaign"]
    stored = ["insert evaluation", "select evaluation", "insert evaluation_event"]
    assert sent == [*POLL, *HEARTBEAT, POLL[0], *counted, *stored, *told]
