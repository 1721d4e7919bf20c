"""Optuna reads the exported study as one of its own: spaces, conditions, values, failures, curves."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState
from sqlalchemy import Engine, event

from ambs_hpc.bridges import optuna_rows
from ambs_hpc.bridges.export_targets import export_campaign
from ambs_hpc.bridges.exported_run import ExportedCampaign, ExportedRun
from ambs_hpc.bridges.optuna_storage import OptunaStorage, distributions
from ambs_hpc.errors import UsageError
from ambs_hpc.problem.space import build_space, space_to_json
from ambs_hpc.queue import claim, complete, enqueue, front, open_database, transaction
from ambs_hpc.records import NewEvaluation, Proposal, Resources
from tests.bridges import campaigns
from tests.queue import stock
from tests.queue.test_best_results import RESULTS, TWO, told

RANGES = {
    "kind": CategoricalDistribution(("sgd", "adam")),
    "lr": FloatDistribution(1e-5, 1.0, log=True),
    "momentum": FloatDistribution(0.0, 1.0),
    "layers": IntDistribution(1, 8),
}


@pytest.fixture
def engine(sqlite_url: str) -> Iterator[Engine]:
    opened = open_database(sqlite_url)
    yield opened
    opened.dispose()


def space(**parameters: object) -> dict[str, object]:
    return space_to_json(build_space(parameters))


def run(number: int, **configuration: object) -> ExportedRun:
    return ExportedRun(f"u-{number}-1-done", f"net-{number}", True, configuration, 0.5, {}, (), {}, 0.0, 1.0)


def test_optuna_has_what_the_campaign_has(engine: Engine, tmp_path: Path) -> None:
    """And a study that was exported can be gone on with: its samplers learn from it."""
    campaign, _ = campaigns.ended(engine)
    export_campaign(engine, campaign, "optuna", tmp_path / "optuna.db")
    url = f"sqlite:///{tmp_path}/optuna.db"
    study = optuna.load_study(study_name="digits", storage=url)
    assert study.direction.name == "MAXIMIZE"
    assert study.best_value == 0.75
    first, second, third = study.trials
    assert [one.state for one in study.trials] == [TrialState.COMPLETE, TrialState.COMPLETE, TrialState.FAIL]
    assert [one.params for one in study.trials] == campaigns.CONFIGURATIONS[:3]
    assert first.distributions == RANGES
    assert "momentum" not in second.distributions
    assert first.intermediate_values == {0: 0.0, 1: 0.1, 2: 0.2}
    assert first.user_attrs["loss/test"] == 0.5
    assert third.user_attrs["ambs"]["failure_kind"] == "ERROR"
    assert third.value is None
    assert isinstance(first.duration, datetime.timedelta)
    assert first.duration.total_seconds() == pytest.approx(1.0, abs=0.01)
    proposed = study.ask(fixed_distributions={"lr": RANGES["lr"], "layers": RANGES["layers"]})
    assert set(proposed.params) == {"lr", "layers"}


def test_other_tables_of_optuna_are_left_to_optuna(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later Optuna may have others: its public interface then stores the same, and twice adds nothing."""
    campaign, _ = campaigns.ended(engine)
    found = []
    for schema in (optuna_rows.KNOWN_SCHEMA, -1):
        monkeypatch.setattr(optuna_rows, "KNOWN_SCHEMA", schema)
        file = tmp_path / f"optuna{schema}.db"
        assert export_campaign(engine, campaign, "optuna", file).added == 3
        assert export_campaign(engine, campaign, "optuna", file).added == 0
        trials = optuna.load_study(study_name="digits", storage=f"sqlite:///{file}").trials
        found.append([(one.state, one.values, one.params, one.user_attrs, one.duration) for one in trials])
    assert found[0] == found[1]


def test_all_revisions_of_a_space_have_one_range() -> None:
    """Optuna takes no second kind of range for a parameter of a study."""
    found = distributions(
        [
            space(x=(1, 8), lr=(1e-3, 1e-1, "log"), kind=["a", "b"], fixed=3, steps=[1, 2, 4]),
            space(x=(4.0, 16.0), lr=(1e-5, 1e-2, "log"), kind=["b", "c"], new=(0.0, 1.0)),
        ],
        optuna,
    )
    assert found == {
        "x": FloatDistribution(1.0, 16.0),
        "lr": FloatDistribution(1e-5, 1e-1, log=True),
        "kind": CategoricalDistribution(("a", "b", "c")),
        "fixed": CategoricalDistribution((3,)),
        "steps": CategoricalDistribution((1, 2, 4)),
        "new": FloatDistribution(0.0, 1.0),
    }


def test_values_of_elsewhere_fit(tmp_path: Path) -> None:
    """`ambs tell` and `ambs add` take configurations outside of the space."""
    campaign = ExportedCampaign("net", "u", "minimize", "ambs", [space(x=(0.0, 1.0), n=(1, 4))])
    files = OptunaStorage(tmp_path / "o.db")
    files.begin(campaign)
    files.add(campaign, [run(0, x=2, n=9, gone="yes")])
    assert files.known(campaign) == {"u-0-1-done"}
    (trial,) = optuna.load_study(study_name="net", storage=f"sqlite:///{tmp_path}/o.db").trials
    assert trial.params == {"x": 2.0, "n": 9, "gone": "yes"}
    assert trial.distributions["n"] == IntDistribution(1, 9)


def test_a_revision_that_optuna_refuses_says_what_to_do(tmp_path: Path) -> None:
    """New choices of a parameter that the file has already."""
    files = OptunaStorage(tmp_path / "o.db")
    before = ExportedCampaign("net", "u", "minimize", "ambs", [space(kind=["a", "b"])])
    files.begin(before)
    files.add(before, [run(0, kind="a")])
    after = ExportedCampaign("net", "u", "minimize", "ambs", [*before.spaces, space(kind=["b", "c"])])
    files.begin(after)
    with pytest.raises(UsageError, match=r"net-1 does not fit.*export to a new file"):
        files.add(after, [run(1, kind="c")])


def test_no_other_database_is_written_to(engine: Engine, tmp_path: Path) -> None:
    """`-o ambs.db` is one slip of the fingers away; so is another campaign's study."""
    campaign, _ = campaigns.ended(engine)
    with pytest.raises(UsageError, match="is a database of something else"):
        export_campaign(engine, campaign, "optuna", Path(str(engine.url.database)))
    (tmp_path / "notes.txt").write_text("my notes, which are long enough to be no empty database\n" * 40)
    with pytest.raises(UsageError, match="is no storage of Optuna"):
        export_campaign(engine, campaign, "optuna", tmp_path / "notes.txt")
    optuna.create_study(study_name="digits", storage=f"sqlite:///{tmp_path}/theirs.db")
    with pytest.raises(UsageError, match="is not this campaign's"):
        export_campaign(engine, campaign, "optuna", tmp_path / "theirs.db")


def test_several_objectives_are_those_of_the_study(engine: Engine, tmp_path: Path) -> None:
    """Optuna's front and its samplers for several need all of them; half a result is none."""
    with transaction(engine) as connection:
        problem = {"space": campaigns.space(), "direction": {"acc": "maximize", "seconds": "minimize"}}
        campaign = stock.campaign(connection, problem=problem, direction="maximize")
        new = [
            NewEvaluation(ordinal, Proposal(configuration, "design"), Resources())
            for ordinal, configuration in enumerate(campaigns.CONFIGURATIONS[:2])
        ]
        enqueue(connection, campaign.id, new)
        launcher = stock.launcher(connection)
        first, second = claim(connection, launcher, 2)
        complete(connection, launcher, [stock.success(first, 0.5, metrics={"acc": 0.5, "seconds": 3.0})])
        complete(connection, launcher, [stock.success(second, 0.75)])
    export_campaign(engine, campaign, "optuna", tmp_path / "o.db")
    study = optuna.load_study(study_name="digits", storage=f"sqlite:///{tmp_path}/o.db")
    assert [one.name for one in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.metric_names == ["acc", "seconds"]
    assert [one.values for one in study.trials] == [[0.5, 3.0], None]
    assert [one.number for one in study.best_trials] == [0]


def test_a_metric_does_not_rename_its_run(tmp_path: Path) -> None:
    """An evaluation with a metric `ambs.key` would be exported again by every export."""
    files = OptunaStorage(tmp_path / "o.db")
    campaign = ExportedCampaign("net", "u", "minimize", "ambs", [space(x=(0.0, 1.0))])
    files.begin(campaign)
    files.add(campaign, [replace(run(0, x=0.5), metrics={"ambs.key": 3.0, "ambs": 1.0})])
    assert files.known(campaign) == {"u-0-1-done"}


def test_many_trials_take_few_statements(tmp_path: Path) -> None:
    """By Optuna's own interface ten thousand took five minutes, by some thirty statements each."""
    files = OptunaStorage(tmp_path / "o.db")
    campaign = ExportedCampaign("net", "u", "minimize", "ambs", [space(x=(0.0, 1.0))])
    files.begin(campaign)
    statements: list[str] = []

    def note(*given: object) -> None:
        statements.append(str(given[2]))

    event.listen(files._storage.engine, "before_cursor_execute", note)
    files.add(campaign, [run(number, x=number / 100) for number in range(100)])
    assert len(statements) < 20
    trials = optuna.load_study(study_name="net", storage=f"sqlite:///{tmp_path}/o.db").trials
    assert [one.number for one in trials] == list(range(100))
    assert [one.params["x"] for one in trials] == [number / 100 for number in range(100)]


def test_a_study_has_all_objectives_and_what_breaks_a_constraint(sqlite_url: str, tmp_path: Path) -> None:
    """Its front is the campaign's, for the dashboard and for a sampler that goes on from it."""
    opened = open_database(sqlite_url)
    stated = {
        "space": space(lr=(0.0, 1.0), layers=(0, 9)),
        "direction": TWO,
        "constraints": [["latency", "<", 30.0], ["memory", "<=", 8.0]],
    }
    with transaction(opened) as connection:
        campaign = told(connection, "net", stated, RESULTS)
        best_ids = [row.ordinal for row in front(connection, campaign.id)]
    export_campaign(opened, campaign, "optuna", tmp_path / "optuna.db")
    study = optuna.load_study(study_name="net", storage=f"sqlite:///{tmp_path}/optuna.db")
    assert [one.name for one in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert [tuple(one.values) for one in study.trials] == [one[:2] for one in RESULTS]
    ordinals = [int(one.user_attrs["ambs"]["ordinal"]) for one in study.best_trials]
    assert sorted(ordinals) == sorted(best_ids) == [1, 4, 5]
    assert study.trials[0].system_attrs["constraints"][0] > 0  # a bound that it only touches
    opened.dispose()
