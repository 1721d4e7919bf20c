"""How often the database is asked, whatever the number of rows: an answer costs more than what it says."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from ambs_hpc.queue import NotifyChannel, claim, complete, fail, release, transaction
from tests.queue import stock
from tests.statements import statements_of

LOCKS = ["select campaign_progress", "select evaluation"]


@pytest.fixture(params=[1, 60])
def rows(request: pytest.FixtureRequest) -> int:
    """How many evaluations a verb is called with."""
    return int(request.param)


def held(engine: Engine, number: int) -> tuple[int, list[stock.Claim]]:
    """A launcher's id and what it has claimed; of an earlier one the campaign is known to this process."""
    with transaction(engine) as connection:
        campaign_id, launcher_id = stock.campaign(connection).id, stock.launcher(connection)
        stock.evaluations(connection, campaign_id, number + 1)
        complete(connection, launcher_id, stock.successes(claim(connection, launcher_id, 1)))
        return launcher_id, claim(connection, launcher_id, number)


def told(engine: Engine, channel: NotifyChannel) -> list[str]:
    """How listeners are told, where a database can."""
    return [f"notify {channel.value}"] if engine.dialect.name == "postgresql" else []


def test_a_claim_is_two_statements(any_engine: Engine, rows: int) -> None:
    """Slots wait for them; reports, rungs, goals and provenance of a campaign may add none."""
    with transaction(any_engine) as connection:
        campaign_id, launcher_id = stock.campaign(connection).id, stock.launcher(connection)
        stock.evaluations(connection, campaign_id, rows)
    with transaction(any_engine) as connection, statements_of(connection) as sent:
        assert len(claim(connection, launcher_id, rows, campaign_ids=[campaign_id])) == rows
    assert sent == ["update evaluation", "insert evaluation_event"]


def test_results_are_two_locks_and_three_writes(any_engine: Engine, rows: int) -> None:
    """They hold the campaign's lock, for which all other launchers of it wait."""
    launcher_id, claims = held(any_engine, rows)
    with transaction(any_engine) as connection, statements_of(connection) as sent:
        assert len(complete(connection, launcher_id, stock.successes(claims))) == rows
    writes = ["update evaluation", "insert evaluation_event", "update campaign_progress"]
    assert sent == LOCKS + writes + told(any_engine, NotifyChannel.FINISHED)


def test_failures_that_are_tried_again_are_two_locks_and_two_writes(any_engine: Engine, rows: int) -> None:
    """A broken objective ends a thousand at once."""
    launcher_id, claims = held(any_engine, rows)
    with transaction(any_engine) as connection, statements_of(connection) as sent:
        assert len(fail(connection, launcher_id, [stock.failure(one) for one in claims])) == rows
    writes = ["update evaluation", "insert evaluation_event"]
    assert sent == LOCKS + writes + told(any_engine, NotifyChannel.READY)


def test_a_release_is_two_locks_and_two_writes(any_engine: Engine, rows: int) -> None:
    """At walltime a launcher has seconds for all that it holds."""
    launcher_id, claims = held(any_engine, rows)
    pairs = [(one.id, one.attempt) for one in claims]
    with transaction(any_engine) as connection, statements_of(connection) as sent:
        assert release(connection, launcher_id, pairs, interrupted=True, reason="walltime") == rows
    writes = ["update evaluation", "insert evaluation_event"]
    assert sent == [*LOCKS, "select clock", *writes, *told(any_engine, NotifyChannel.READY)]


def test_proposals_are_three_writes(any_engine: Engine, rows: int) -> None:
    """A search asks for a batch as soon as anything has ended."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
    with transaction(any_engine) as connection, statements_of(connection) as sent:
        stock.evaluations(connection, campaign_id, rows)
    reads = ["select campaign", "insert evaluation", "select evaluation"]
    writes = ["update campaign_progress", *reads, "insert evaluation_event"]
    assert sent == writes + told(any_engine, NotifyChannel.READY)
