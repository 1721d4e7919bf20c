"""`--from` finds what a person names, says what of it fits, and keeps it with the campaign once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ambs_hpc.campaign import SearchLoop, find_sources, keep_sources
from ambs_hpc.clock import ManualClock
from ambs_hpc.errors import NotFound, UsageError
from ambs_hpc.problem import Problem
from ambs_hpc.queue import (
    claim,
    complete,
    create_campaign,
    database_uid,
    open_database,
    proposals_of,
    reading,
    source_summaries,
    sources_of,
    transaction,
)
from ambs_hpc.records import Campaign, NewCampaign, Observation, Source
from tests.queue import stock

SPACE = {"lr": (0.01, 1.0, "log"), "layers": (0, 40), "kind": ["a", "b"]}


def wanted(name: str = "new", **changes: object) -> NewCampaign:
    problem = Problem(name=name, space=SPACE, objective="model:train")
    stored = {key: value for key, value in problem.to_json().items() if key != "name"}
    return replace(stock.CAMPAIGN, name=name, uid=name, problem=stored, method_options={}, **changes)


def with_results(engine: Engine, name: str, number: int = 8) -> Campaign:
    """A campaign whose evaluations lie at lr = 1/(1+ordinal), layers = ordinal, all done."""
    with transaction(engine) as connection:
        campaign = stock.campaign(connection, name=name, uid=name)
        stock.evaluations(connection, campaign.id, number)
        launcher_id = stock.launcher(connection)
        complete(connection, launcher_id, stock.successes(claim(connection, launcher_id, number)))
    return campaign


def observations(engine: Engine, campaign: Campaign) -> tuple[Observation, ...]:
    with reading(engine) as connection:
        rows = sorted(proposals_of(connection, campaign.id), key=lambda row: row.sequence)
    return tuple(Observation(row.proposal.configuration, row.objective) for row in rows)


def test_a_campaign_of_the_same_database_is_a_source(any_engine: Engine) -> None:
    """The nearest related problem is last week's."""
    old = with_results(any_engine, "old")
    found = find_sources(any_engine, wanted(), ["old", "old"])
    assert [one.source for one in found] == [
        Source("campaign old", "minimize", observations(any_engine, old))
    ]
    assert found[0].line == "campaign old: 8 of 8 results fit; default for kind"


def test_sources_are_kept_once_and_as_they_were(any_engine: Engine) -> None:
    """The same command goes on after a crash; another --from adds to what there is."""
    old = with_results(any_engine, "old")
    with transaction(any_engine) as connection:
        campaign = create_campaign(connection, wanted())
    keep_sources(any_engine, campaign, find_sources(any_engine, wanted(), ["old"]))
    first = observations(any_engine, old)
    with transaction(any_engine) as connection:
        stock.evaluations(connection, old.id, 1, first=8)
        launcher_id = stock.launcher(connection)
        complete(connection, launcher_id, stock.successes(claim(connection, launcher_id, 1)))
    with_results(any_engine, "older", 3)
    again = find_sources(any_engine, wanted(), ["old", "older"])
    assert [one.is_known for one in again] == [True, False]
    keep_sources(any_engine, campaign, again)
    with reading(any_engine) as connection:
        assert sources_of(connection, campaign.id)[0].observations == first
        assert [one[:2] for one in source_summaries(connection, campaign.id)] == [
            ("campaign old", 8),
            ("campaign older", 3),
        ]


def test_a_restarted_search_starts_from_the_stored_sources(any_engine: Engine) -> None:
    """Where the old campaign was is read once; after that nothing but the campaign's own rows counts."""
    old = with_results(any_engine, "old")
    with transaction(any_engine) as connection:
        campaign = create_campaign(connection, wanted(max_evaluations=24))
    keep_sources(any_engine, campaign, find_sources(any_engine, wanted(), ["old"]))
    loop = SearchLoop(any_engine, campaign, 24, ManualClock())
    loop.open()
    loop.step()
    with reading(any_engine) as connection:
        rows = proposals_of(connection, campaign.id)
    first = next(row.proposal for row in rows if row.proposal.kind == "source")
    best = min(observations(any_engine, old), key=lambda one: one.objective or 0.0)
    assert first.configuration == {**best.configuration, "kind": "a"}


def test_another_database_gives_all_its_campaigns_or_one(any_engine: Engine, tmp_path: Path) -> None:
    """Old campaigns lie in old folders, each with an ambs.db."""
    file = tmp_path / "elsewhere.db"
    other = open_database(f"sqlite:///{file}")
    with_results(other, "one")
    with_results(other, "two", 3)
    with reading(other) as connection:
        uid = database_uid(connection)
    other.dispose()
    names = [f"campaign {name} of database {uid}" for name in ("one", "two")]
    assert [one.source.name for one in find_sources(any_engine, wanted(), [str(file)])] == names
    assert [one.source.name for one in find_sources(None, wanted(), [f"sqlite:///{file}#two"])] == names[1:]
    with pytest.raises(NotFound, match=r"has no campaign 'three'.*Accepted: one, two"):
        find_sources(any_engine, wanted(), [f"{file}#three"])


def test_a_table_is_read_in_the_types_of_the_problem(any_engine: Engine, tmp_path: Path) -> None:
    """A CSV file holds texts only, and columns that are no parameters."""
    file = tmp_path / "old.csv"
    file.write_text("lr,layers,kind,objective\n0.1,3,b,0.5\n0.2,4,a,0.25\n7,4,a,0.1\n0.2,5,a,F\n")
    (found,) = find_sources(any_engine, wanted(direction="maximize"), [str(file)])
    assert found.source == Source(
        f"file {file}",
        "maximize",
        (
            Observation({"lr": 0.1, "layers": 3, "kind": "b"}, 0.5),
            Observation({"lr": 0.2, "layers": 4, "kind": "a"}, 0.25),
            Observation({"lr": 0.2, "layers": 5, "kind": "a"}, None),
        ),
    )
    assert (found.usable, found.read, sum(found.refused.values())) == (3, 4, 1)
    assert "3 of 4 results fit; 1 not: parameter 'lr' is " in found.line


def test_an_optuna_storage_is_a_source(any_engine: Engine, tmp_path: Path) -> None:
    """Who comes from Optuna has studies, and their direction is known."""
    import optuna

    url = f"sqlite:///{tmp_path / 'optuna.db'}"
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name="net", storage=url, direction="maximize")
    space = {"lr": optuna.distributions.FloatDistribution(0.01, 1.0)}
    study.add_trial(optuna.trial.create_trial(params={"lr": 0.5}, distributions=space, value=0.75))
    (found,) = find_sources(any_engine, wanted(), [url])
    assert found.source.direction == "maximize"
    assert found.source.observations == (Observation({"lr": 0.5}, 0.75),)


@pytest.mark.parametrize("text", ["olld", "nothing.csv", "missing.db"])
def test_what_is_not_there_is_told_with_what_is(
    any_engine: Engine, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelt name must not become a cold start."""
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with_results(any_engine, "old")
    with pytest.raises((NotFound, UsageError), match=text) as caught:
        find_sources(any_engine, wanted(), [text])
    assert "old" in str(caught.value) or ".csv" in str(caught.value)
    assert list(folder.iterdir()) == []


def test_sources_of_no_use_are_refused(any_engine: Engine) -> None:
    """No result, no parameter in common, or the campaign itself."""
    with transaction(any_engine) as connection:
        stock.campaign(connection, name="empty", uid="empty")
    with_results(any_engine, "old")
    with pytest.raises(UsageError, match="campaign empty: 0 of 0 results fit"):
        find_sources(any_engine, wanted(), ["empty"])
    problem = Problem(name="other", space={"x": (0.0, 1.0)}, objective="model:train").to_json()
    with pytest.raises(UsageError, match=r"default for x; ignored: layers, lr\. It needs"):
        find_sources(any_engine, replace(wanted(), problem=problem), ["old"])
    with pytest.raises(UsageError, match="the campaign itself"):
        find_sources(any_engine, wanted("old"), ["old"])


def test_methods_that_learn_from_nobody_are_told_before_anything_is_stored(any_engine: Engine) -> None:
    """Also where the campaign has such a method since an earlier start and the command line names none."""
    with_results(any_engine, "old")
    with pytest.raises(UsageError, match="'random' does not learn from other problems"):
        find_sources(any_engine, wanted(method="random"), ["old"])
    with transaction(any_engine) as connection:
        create_campaign(connection, wanted(method="optuna:TPE"))
    with pytest.raises(UsageError, match="'optuna:TPE' does not learn"):
        find_sources(any_engine, wanted(), ["old"])


def test_very_large_sources_keep_the_best_and_the_last(
    any_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A campaign of a million evaluations must not be copied into each that follows it."""
    monkeypatch.setattr("ambs_hpc.campaign.warm_start.MOST_OBSERVATIONS", 4)
    file = tmp_path / "old.json"
    rows = ",".join(
        f'{{"lr": 0.5, "layers": {place}, "objective": {(place - 2) ** 2}}}' for place in range(9)
    )
    file.write_text(f"[{rows}]")
    (found,) = find_sources(any_engine, wanted(), [str(file)])
    assert [one.configuration["layers"] for one in found.source.observations] == [1, 2, 7, 8]


def test_a_living_search_learns_a_source_that_is_added(
    any_engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """It begins again from the rows, as one that is started then, once."""
    with_results(any_engine, "old")
    with transaction(any_engine) as connection:
        campaign = create_campaign(connection, wanted(max_evaluations=12))
    living = SearchLoop(any_engine, campaign, 2, ManualClock())
    living.open()
    living.step()
    keep_sources(any_engine, campaign, find_sources(any_engine, wanted(), ["old"]))
    with caplog.at_level("INFO", "ambs_hpc.campaign.loop"):
        living.step()
        living.step()
    assert [one for one in caplog.messages if "rebuilt from" in one] == [
        "the campaign has 1 sources now; the search is rebuilt from what the database has"
    ]


def test_the_method_that_is_asked_for_decides(any_engine: Engine) -> None:
    """A campaign's method may be revised by the same command."""
    with_results(any_engine, "old")
    with transaction(any_engine) as connection:
        create_campaign(connection, wanted(method="random"))
    assert find_sources(any_engine, wanted(), ["old"], "ambs")
    with pytest.raises(UsageError, match="'random'"):
        find_sources(any_engine, wanted(), ["old"])
