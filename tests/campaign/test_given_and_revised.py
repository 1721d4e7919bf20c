"""What people give to a campaign and revisions of its space meet in any order: nothing illegal is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from ambs_hpc.campaign import Revised, SearchLoop, revise, revision
from ambs_hpc.campaign.added_points import add_points, known_rows
from ambs_hpc.campaign.creation import edited_campaign
from ambs_hpc.campaign.given_rows import GivenRows, configuration_key
from ambs_hpc.campaign.told_results import fit_results, tell_results
from ambs_hpc.cli.commands.export import flattened
from ambs_hpc.clock import ManualClock
from ambs_hpc.errors import CampaignConflict
from ambs_hpc.observations import RawObservation, RowEnding, read_observations
from ambs_hpc.problem import build_space
from ambs_hpc.problem.space import space_to_json
from ambs_hpc.queue import (
    EvaluationRow,
    NewRevision,
    cancel,
    claim,
    enqueue,
    fail,
    get_campaign,
    import_results,
    list_evaluations,
    reading,
    release,
    rerun,
    transaction,
)
from ambs_hpc.records import (
    MANUAL,
    Campaign,
    Configuration,
    ImportedResult,
    NewEvaluation,
    Proposal,
    Resources,
)
from ambs_hpc.reporting.table_export import csv_text
from ambs_hpc.states import State
from tests.campaign.test_given import campaign_of, finish, raw
from tests.queue import stock


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


def add_rate(engine: Engine, campaign: Campaign) -> None:
    """One parameter more; those without it ran with 0.25."""
    found = now(engine, campaign)
    space = {"lr": (0.0, 0.5), "layers": (1, 9), "rate": (0.0, 1.0)}
    problem = {**found.definition.problem, "space": space_to_json(build_space(space)), "was": {"rate": 0.25}}
    revise(engine, found, replace(found.definition, problem=problem))


def tell(engine: Engine, campaign: Campaign, *rows: RawObservation) -> int:
    found = now(engine, campaign)
    return len(tell_results(engine, found, fit_results(found.definition, rows).results))


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


def test_added_points_follow_a_revision_as_proposals_do(any_engine: Engine) -> None:
    """They are the first in the queue: the new code gets them next."""
    campaign = campaign_of(any_engine)
    points: list[Configuration] = [{"layers": 3, "lr": 0.9}, {"layers": 3, "lr": 0.2}]
    add_points(any_engine, campaign, points, again=False)
    tell(any_engine, campaign, raw(0.3, 1.0), raw(0.4, 1.0), raw(0.4, 2.0), raw(0.6, None))
    effects = narrow(any_engine, campaign).effects
    assert effects == {"waiting": 1, "cancelled": 1, "kept": 2, "left": 1, "run_on": 0}
    add_rate(any_engine, campaign)
    rows = rows_of(any_engine, campaign)
    assert [rows[-1].state, rows[-2].state] == [State.CANCELLED, State.READY]
    assert rows[-2].configuration == {"layers": 3, "lr": 0.2, "rate": 0.25}


def test_a_point_that_is_added_while_a_revision_is_planned_follows_it(
    any_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was legal a moment ago."""
    campaign = campaign_of(any_engine)
    points: list[Configuration] = [{"layers": 3, "lr": 0.9}, {"layers": 4, "lr": 0.9}]
    add_points(any_engine, campaign, points[:1], again=False)
    locked = revision.lock_for_revision

    def late(connection: Connection, new: NewRevision) -> None:
        made = [NewEvaluation(-2, Proposal(points[1], MANUAL), Resources())]
        enqueue(connection, campaign.id, made)
        locked(connection, new)

    monkeypatch.setattr(revision, "lock_for_revision", late)
    assert narrow(any_engine, campaign).effects["cancelled"] == 2


def test_what_the_campaign_measured_outlives_what_it_was_told(any_engine: Engine) -> None:
    """A revision must not bring back a value that was replaced, nor hide one behind what was cancelled."""
    campaign = campaign_of(any_engine)
    loop = opened(any_engine, campaign)
    first, second = (rows_of(any_engine, campaign)[place].configuration for place in (0, 1))
    tell(any_engine, campaign, raw(first["lr"], 99.0, first["layers"]))
    finish(any_engine, 2)
    (again, _), *_ = add_points(any_engine, campaign, [second], again=True).added
    with transaction(any_engine) as connection:
        cancel(connection, ids=[again])
    before = learnt(loop)
    assert [configuration for configuration, _ in before] == [first, second]
    assert max(objective for _, objective in before if objective is not None) < 99.0
    effects = narrow(any_engine, campaign, "layers=1..8").effects
    assert (effects["kept"], effects["left"]) == (2, 0)
    assert learnt(loop) == before


def test_a_living_and_a_restarted_search_know_the_same_of_what_was_told(any_engine: Engine) -> None:
    """Of an import and an own measurement the later one counts, whether or not there was a revision."""
    campaign = campaign_of(any_engine)
    loop = opened(any_engine, campaign)
    narrow(any_engine, campaign, "layers=1..8")
    learnt(loop)
    waiting = [
        row.configuration for row in rows_of(any_engine, campaign).values() if row.state is State.READY
    ]
    tell(any_engine, campaign, *(raw(one["lr"], 99.0, one["layers"]) for one in waiting[:2]))
    learnt(loop)
    finish(any_engine, 1)
    lived = learnt(loop)
    assert sorted(objective == 99.0 for _, objective in lived) == [False, True]
    loop.close()
    assert learnt(opened(any_engine, campaign)) == lived


def test_what_ran_before_a_parameter_was_added_is_known(any_engine: Engine) -> None:
    """It would run, or be told, a second time."""
    campaign = campaign_of(any_engine)
    opened(any_engine, campaign).close()
    narrow(any_engine, campaign)
    (done,) = finish(any_engine, 1)
    add_rate(any_engine, campaign)
    point = {**done, "rate": 0.25}
    added = add_points(any_engine, now(any_engine, campaign), [point], again=False)
    assert (added.added, [row.configuration for row in added.known]) == ((), [point])
    same = RawObservation("x", point, RowEnding.DONE, 9.0)
    other = RawObservation("x", {**point, "rate": 0.5}, RowEnding.DONE, 9.0)
    assert tell(any_engine, campaign, same, other) == 1
    assert known_rows(GivenRows(any_engine, campaign.id).rows(), [point]) == {
        configuration_key(point): added.known[0]
    }


def test_added_points_are_first_whatever_the_priority_of_their_campaign(any_engine: Engine) -> None:
    """A campaign that is urgent, and one that became so, must not put them behind its own proposals."""
    campaign = campaign_of(any_engine, priority=5000)
    opened(any_engine, campaign).close()
    point: Configuration = {"layers": 3, "lr": 0.31}
    add_points(any_engine, campaign, [point], again=False)
    revise(any_engine, campaign, replace(campaign.definition, priority=9000))
    assert {row.priority for row in rows_of(any_engine, campaign).values()} == {9000, 10_000}
    assert finish(any_engine, 1) == [point]


@pytest.mark.parametrize("form", ["csv", "json"])
def test_an_export_comes_back_after_a_parameter_was_added(
    any_engine: Engine, form: str, tmp_path: Path
) -> None:
    """Its rows have what their evaluations ran with; told to the campaign again, all of them are known."""
    campaign = campaign_of(any_engine)
    loop = opened(any_engine, campaign)
    narrow(any_engine, campaign)
    finish(any_engine, 1)
    add_rate(any_engine, campaign)
    learnt(loop)
    finish(any_engine, 2)
    ended = [row for row in rows_of(any_engine, campaign).values() if row.state is State.DONE]
    flat = [flattened(row, "minimize") for row in ended]
    table = tmp_path / f"table.{form}"
    table.write_text(csv_text(flat) if form == "csv" else json.dumps(flat))
    found = now(any_engine, campaign)
    fitted = fit_results(found.definition, read_observations(str(table)))
    assert (len(fitted.results), fitted.refused) == (3, ())
    assert sum(one.configuration["rate"] == 0.25 for one in fitted.results) >= 1
    assert tell_results(any_engine, found, fitted.results) == []


def test_a_failure_outside_is_not_retried(any_engine: Engine) -> None:
    """The time of an allocation is for results that count; what was interrupted has not failed."""
    campaign = campaign_of(any_engine, max_failures=3)
    opened(any_engine, campaign).close()
    add_points(any_engine, campaign, [{"layers": 3, "lr": 0.9}, {"layers": 3, "lr": 0.2}], again=False)
    with transaction(any_engine) as connection:
        launcher_id = stock.launcher(connection)
        outside, inside = claim(connection, launcher_id, 2)
    assert narrow(any_engine, campaign).effects["run_on"] == 1
    with transaction(any_engine) as connection:
        release(connection, launcher_id, [(outside.id, 1)], interrupted=True, reason="walltime")
        (same,) = claim(connection, launcher_id, 1)
        fail(connection, launcher_id, [stock.failure(same), stock.failure(inside)])
    assert same.configuration == outside.configuration == {"layers": 3, "lr": 0.9}
    rows = rows_of(any_engine, campaign)
    assert (rows[-1].state, rows[-2].state) == (State.FAILED, State.READY)
    found = now(any_engine, campaign)
    revise(any_engine, found, edited_campaign(found, {"--widen": ["lr=0.0..1.0"]}, {}))
    with transaction(any_engine) as connection:
        rerun(connection, ids=[outside.id])
        (third,) = claim(connection, launcher_id, 1)
        fail(connection, launcher_id, [stock.failure(third)])
    assert third.configuration == outside.configuration
    assert rows_of(any_engine, campaign)[-1].state is State.READY
