"""Provenance is kept once for all that are alike, and never of what the database does not know."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Engine, text

from ambs_hpc.insight.provenance_words import departures, use_of
from ambs_hpc.queue import note_provenance, provenance_of, reading, transaction
from tests.queue import stock

FACTS = {"git": {"commit": "a" * 40, "diff": ""}, "packages": {"torch": "2.1"}}


def test_what_is_alike_is_kept_once(any_engine: Engine) -> None:
    """A thousand launchers of one environment must not store it a thousand times."""
    with transaction(any_engine) as connection:
        campaign = stock.campaign(connection)
        launchers = [stock.launcher(connection) for _ in range(3)]
        assert note_provenance(connection, campaign.id, None, FACTS, "login1")
        for one in launchers:
            assert note_provenance(connection, campaign.id, one, FACTS, "node1")
            assert not note_provenance(connection, campaign.id, one, FACTS, "node1")
        assert not note_provenance(connection, campaign.id, 999, FACTS, "node1")
        assert not note_provenance(connection, 999, launchers[0], FACTS, "node1")
        assert connection.execute(text("SELECT count(*) FROM provenance")).scalar() == 1
    with reading(any_engine) as connection:
        uses = provenance_of(connection, campaign.id)
        assert connection.execute(text("SELECT count(*) FROM v_provenance")).scalar() == 4
    assert [one.launcher_id for one in uses] == [None, *launchers]
    assert [one.facts for one in uses] == [FACTS] * 4
    assert uses[0].host == "login1"
    assert uses[0].revision == 1
    assert departures(uses) == []


def test_launchers_that_differ_are_told_once(any_engine: Engine) -> None:
    """Results of two versions of a code are no results of one campaign, and nobody looks for that."""
    other = {**FACTS, "packages": {"torch": "2.2"}}
    with transaction(any_engine) as connection:
        campaign = stock.campaign(connection)
        ids = [stock.launcher(connection) for _ in range(5)]
        note_provenance(connection, campaign.id, None, {"git": {}}, "login1")
        for one, facts in zip(ids, [FACTS, FACTS, other, FACTS, other], strict=True):
            note_provenance(connection, campaign.id, one, facts, "node1")
        note_provenance(connection, campaign.id, ids[0], other, "node1")
    with reading(any_engine) as connection:
        uses = provenance_of(connection, campaign.id)
    assert [one.words for one in departures(uses)] == [
        f"launcher {ids[2]} differs from launcher {ids[1]}: packages torch 2.1 -> 2.2"
    ]
    before, after = uses[1], replace(uses[1], facts=other, digest="of-other")
    assert [one.words for one in departures([before, after])] == [
        f"launcher {ids[0]} differs since a revision from what it was before: packages torch 2.1 -> 2.2"
    ]
    first, last = (one for one in uses if one.launcher_id == ids[0])
    assert use_of(uses, ids[0], first.at) == first
    assert use_of(uses, ids[0], None) == last
    assert use_of(uses, ids[0], first.at - 1.0) == first
    assert use_of(uses, None, None) is None
