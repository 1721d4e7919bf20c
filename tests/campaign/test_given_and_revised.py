"""What people give to a campaign and revisions of its space meet in any order: nothing illegal is stored."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from sqlalchemy import Engine

from ambs_hpc.campaign import Revised, SearchLoop, revise
from ambs_hpc.campaign.added_points import add_points
from ambs_hpc.campaign.creation import edited_campaign
from ambs_hpc.campaign.told_results import fit_results, tell_results
from ambs_hpc.clock import ManualClock
from ambs_hpc.errors import CampaignConflict
from ambs_hpc.queue import EvaluationRow, get_campaign, import_results, list_evaluations, reading, transaction
from ambs_hpc.records import Campaign, Configuration, ImportedResult
from tests.campaign.test_given import campaign_of, raw


def now(engine: Engine, campaign: Campaign) -> Campaign:
    with reading(engine) as connection:
        return get_campaign(connection, campaign.id)


def rows_of(engine: Engine, campaign: Campaign) -> dict[int, EvaluationRow]:
    """By their ordinals."""
    with reading(engine) as connection:
        return {row.ordinal: row for row in list_evaluations(connection, campaign.id, limit=None)}


def narrow(engine: Engine, campaign: Campaign, ranges: str = "lr=0.0..0.5") -> Revised:
    found = now(engine, campaign)
    return revise(engine, found, edited_campaign(found, {"--narrow": [ranges]}, {}))


def opened(engine: Engine, campaign: Campaign) -> SearchLoop:
    loop = SearchLoop(engine, campaign, 3, ManualClock())
    loop.open()
    loop.step()
    return loop


def learnt(loop: SearchLoop) -> list[tuple[Mapping[str, object], float | None]]:
    """What the search knows once it has noticed everything."""
    loop.step()
    loop.step()
    return [(one.configuration, one.objective) for one in loop._searcher.history]


def test_what_was_fitted_to_an_earlier_space_is_refused(any_engine: Engine) -> None:
    """Two people at two terminals: one narrows the space while the other's command looks at it."""
    before = campaign_of(any_engine)
    results = fit_results(before.definition, [raw(0.9, 0.1)]).results
    narrow(any_engine, before)
    match = r"The space of campaign 'digits' was changed a moment ago \(revision 2\), and nothing was stored"
    with pytest.raises(CampaignConflict, match=match):
        tell_results(any_engine, before, results)
    with pytest.raises(CampaignConflict, match=match):
        add_points(any_engine, before, [{"lr": 0.9, "layers": 3}], again=False)
    assert rows_of(any_engine, before) == {}


def test_a_living_search_leaves_out_what_is_told_from_outside_its_space(any_engine: Engine) -> None:
    """It would end with an error, and so would every search that is started in its place."""
    campaign = campaign_of(any_engine)
    loop = opened(any_engine, campaign)
    inside: Configuration = {"lr": 0.25, "layers": 2}
    narrow(any_engine, campaign)
    loop.step()
    with transaction(any_engine) as connection:
        told = [ImportedResult({"lr": 0.9, "layers": 2}, 0.1), ImportedResult(inside, 0.2)]
        import_results(connection, campaign.id, told)
    assert learnt(loop) == [(inside, 0.2)]
    loop.close()
    assert learnt(opened(any_engine, campaign)) == [(inside, 0.2)]
