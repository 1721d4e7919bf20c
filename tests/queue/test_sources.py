"""What other problems taught is kept with a campaign exactly, once for each name, in both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, func, insert, select
from sqlalchemy.exc import IntegrityError

from ambs_hpc.queue import (
    add_source,
    enqueue,
    proposed_from_sources,
    reading,
    source_summaries,
    sources_of,
    transaction,
)
from ambs_hpc.queue.schema.tables import source_observation
from ambs_hpc.records import NewEvaluation, Observation, Proposal, Resources, Source
from tests.queue import stock

OLD = Source(
    "campaign old",
    "maximize",
    (
        Observation({"lr": 1e16, "kind": "größer", "warm": True, "units": 8}, 0.1 + 0.2),
        Observation({"lr": 1e-300}, None),
        Observation({"lr": 0.25}, -1e308),
    ),
)


def test_sources_come_back_as_they_were_added(any_engine: Engine) -> None:
    """A restarted search must learn the very same numbers, in the same order, of its own campaign alone."""
    other = Source("file /old.csv", "minimize", (Observation({"lr": 0.5}, 2.0),))
    with transaction(any_engine) as connection:
        one, two = stock.campaign(connection), stock.campaign(connection, name="two", uid="22")
        assert add_source(connection, one.id, OLD)
        assert add_source(connection, one.id, other)
        assert add_source(connection, two.id, other)
    with reading(any_engine) as connection:
        assert sources_of(connection, one.id) == [OLD, other]
        assert sources_of(connection, two.id) == [other]
        summaries = source_summaries(connection, one.id)
    assert [one[:2] for one in summaries] == [("campaign old", 3), ("file /old.csv", 1)]


def test_a_source_is_added_once(any_engine: Engine) -> None:
    """The same command is given again after each crash; its results must not count twice."""
    with transaction(any_engine) as connection:
        campaign = stock.campaign(connection)
        assert add_source(connection, campaign.id, OLD)
        assert not add_source(connection, campaign.id, Source(OLD.name, "minimize", ()))
    with reading(any_engine) as connection:
        assert sources_of(connection, campaign.id) == [OLD]


def test_large_sources_are_stored_whole(any_engine: Engine) -> None:
    """More rows than one statement takes."""
    rows = tuple(Observation({"lr": float(index)}, float(index)) for index in range(2500))
    with transaction(any_engine) as connection:
        campaign = stock.campaign(connection)
        add_source(connection, campaign.id, Source("old", "minimize", rows))
    with reading(any_engine) as connection:
        assert sources_of(connection, campaign.id)[0].observations == rows


def test_what_is_no_number_is_refused(any_engine: Engine) -> None:
    """Infinity would pass JSON, the models and every comparison, and ruin all of them."""
    bad = Source("old", "minimize", (Observation({"lr": 0.1}, float("inf")),))
    with transaction(any_engine) as connection:
        campaign = stock.campaign(connection)
    with pytest.raises(IntegrityError), transaction(any_engine) as connection:
        add_source(connection, campaign.id, bad)
    with reading(any_engine) as connection:
        assert source_summaries(connection, campaign.id) == []


def test_observations_belong_to_a_source(any_engine: Engine) -> None:
    """Rows that no source names would be learned by nobody and kept for ever."""
    with pytest.raises(IntegrityError), transaction(any_engine) as connection:
        values = {"source_id": 99, "ordinal": 0, "configuration": {}, "objective": 1.0}
        connection.execute(insert(source_observation).values(**values))
    with reading(any_engine) as connection:
        assert connection.execute(select(func.count()).select_from(source_observation)).scalar_one() == 0


def test_proposals_from_sources_are_counted(any_engine: Engine) -> None:
    """How far the sources are trusted now shows in the newest proposals."""
    kinds = ["source", "source", "design", "source", "model", "model"]
    with transaction(any_engine) as connection:
        campaign = stock.campaign(connection)
        new = [
            NewEvaluation(ordinal, Proposal({"lr": ordinal / 10}, kind), Resources())
            for ordinal, kind in enumerate(kinds)
        ]
        enqueue(connection, campaign.id, new)
    with reading(any_engine) as connection:
        assert proposed_from_sources(connection, campaign.id, 3) == (3, 1)
