"""A search in whose database others have written: it learns from the other rows, and goes on."""

from __future__ import annotations

from sqlalchemy import Engine

from ambs_hpc.campaign.loop import SearchLoop
from ambs_hpc.clock import ManualClock
from ambs_hpc.queue import get_campaign, list_evaluations, open_database, reading, transaction
from ambs_hpc.records import Campaign
from tests.queue.unusable import FAILED, NUMBER, healthy, ignore_checks, spoil


def test_a_search_goes_on_beside_unusable_rows(any_engine: Engine) -> None:
    """Its own ordinals continue, and what cannot be learned is proposed by nobody for it."""
    campaign_id = healthy(any_engine)
    spoil(any_engine)
    loop = SearchLoop(any_engine, campaign_of(any_engine, campaign_id), 2, ManualClock())
    loop.open()
    loop.step()
    with reading(any_engine) as connection:
        rows = list_evaluations(connection, campaign_id, limit=None)
    assert [row.ordinal for row in rows if row.ordinal >= NUMBER] == [NUMBER, NUMBER + 1, NUMBER + 2]
    assert len(loop._uncounted) == (8 if any_engine.dialect.name == "sqlite" else 6)
    loop.close()


def test_a_row_in_an_unknown_state_keeps_its_ordinal(sqlite_url: str) -> None:
    """Proposals are numbered from the last one: none may get the number of a row that cannot be read."""
    engine = open_database(sqlite_url)
    campaign_id = healthy(engine)
    with transaction(engine) as connection:
        ignore_checks(connection, [f"UPDATE evaluation SET state = 'FROZEN' WHERE id = {FAILED[-1]}"])
    loop = SearchLoop(engine, campaign_of(engine, campaign_id), 2, ManualClock())
    loop.open()
    loop.step()
    with reading(engine) as connection:
        newest = list_evaluations(connection, campaign_id, sort="newest")
    assert [row.ordinal for row in newest][:3] == [NUMBER + 2, NUMBER + 1, NUMBER]
    loop.close()
    engine.dispose()


def campaign_of(engine: Engine, campaign_id: int) -> Campaign:
    with reading(engine) as connection:
        return get_campaign(connection, campaign_id)
