"""What a bridge adds is what rows say, once, however often it is asked and wherever it was killed."""

from __future__ import annotations

import fcntl
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine

from ambs_hpc.bridges import export_targets, mlflow_files
from ambs_hpc.bridges.export_targets import TARGETS, ExportReport, export_campaign
from ambs_hpc.bridges.exported_run import ExportedCampaign, ExportedRun, exported_run
from ambs_hpc.bridges.mlflow_files import MlflowFiles
from ambs_hpc.errors import UsageError
from ambs_hpc.queue import list_evaluations, open_database, reading, rerun, transaction
from ambs_hpc.states import State
from tests.bridges import campaigns
from tests.bridges.event_files import decoded

WRITTEN = ("mlflow", "tensorboard", "optuna")


@pytest.fixture
def engine(sqlite_url: str) -> Iterator[Engine]:
    opened = open_database(sqlite_url)
    yield opened
    opened.dispose()


def place(folder: Path, form: str) -> Path:
    return folder / TARGETS[form].output


@pytest.mark.parametrize("form", WRITTEN)
def test_a_second_export_adds_only_what_is_new(engine: Engine, tmp_path: Path, form: str) -> None:
    """It stands in a cron table, and runs while the campaign does."""
    campaign, launcher = campaigns.ended(engine)
    output = place(tmp_path, form)
    assert export_campaign(engine, campaign, form, output) == ExportReport("digits", 3, 0)
    assert export_campaign(engine, campaign, form, output) == ExportReport("digits", 0, 3)
    campaigns.next_ends(engine, launcher, 0.5)
    assert export_campaign(engine, campaign, form, output) == ExportReport("digits", 1, 3)
    with transaction(engine) as connection:  # what had failed is run again, and ends again
        rerun(connection, campaign_id=campaign.id, failed=True)
    assert export_campaign(engine, campaign, form, output) == ExportReport("digits", 0, 3)
    campaigns.next_ends(engine, launcher, 0.1)
    assert export_campaign(engine, campaign, form, output) == ExportReport("digits", 1, 3)


@pytest.mark.parametrize("form", WRITTEN)
def test_an_export_that_was_killed_is_gone_on_with(
    engine: Engine, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither half a run nor a run twice."""
    campaign, _ = campaigns.ended(engine)
    output, whole = place(tmp_path, form), exported_run

    def second_dies(row: object, *rest: object) -> ExportedRun:
        run = whole(row, *rest)
        if run.objective == 0.75:
            raise KeyboardInterrupt
        return run

    monkeypatch.setattr(export_targets, "AT_ONCE", 1)
    monkeypatch.setattr(export_targets, "exported_run", second_dies)
    with pytest.raises(KeyboardInterrupt):
        export_campaign(engine, campaign, form, output)
    monkeypatch.setattr(export_targets, "exported_run", whole)
    first = export_campaign(engine, campaign, form, output)
    assert first.added + first.present == 3
    assert first.present == 1
    assert export_campaign(engine, campaign, form, output) == ExportReport("digits", 0, 3)


def test_two_exports_at_once_are_one(engine: Engine, tmp_path: Path) -> None:
    """Both would look first and add then."""
    campaign, _ = campaigns.ended(engine)
    with (tmp_path / ".ambs-lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="Another export writes beside"):
            export_campaign(engine, campaign, "mlflow", tmp_path)


def test_metrics_are_numbers_or_tags(engine: Engine) -> None:
    """Nothing is lost, and nothing that is no number pretends to be one."""
    campaign, _ = campaigns.ended(engine)
    with reading(engine) as connection:
        row = list_evaluations(connection, campaign.id, State.DONE)[0]
    run = exported_run(row, ExportedCampaign.of(campaign, []), [])
    assert run.metrics == {"epochs": 3.0, "loss/train": 0.25, "loss/test": 0.5}
    assert run.tags["ambs.metric.note"] == "plain"
    assert run.tags["ambs.metric.flag"] == "true"
    assert run.tags["ambs.evaluation"] == str(row.id)
    assert dict(run.configuration) == campaigns.CONFIGURATIONS[0]


def test_mlflow_finds_a_folder_for_each_run(engine: Engine, tmp_path: Path) -> None:
    """The layout of its file store; that MLflow itself reads it was tried by hand."""
    campaign, _ = campaigns.ended(engine)
    export_campaign(engine, campaign, "mlflow", tmp_path / "mlruns")
    (experiment,) = (one for one in (tmp_path / "mlruns").iterdir() if one.is_dir())
    about = yaml.safe_load((experiment / "meta.yaml").read_text())
    assert (about["name"], about["experiment_id"]) == ("digits", experiment.name)
    assert len(experiment.name) == 18
    runs = {}
    for folder in experiment.iterdir():
        if folder.is_dir():
            meta = yaml.safe_load((folder / "meta.yaml").read_text())
            assert (meta["run_id"], meta["experiment_id"]) == (folder.name, experiment.name)
            runs[meta["run_name"]] = folder, meta
    assert [runs[f"digits-{number}"][1]["status"] for number in (1, 2, 3)] == [3, 3, 4]
    first, third = runs["digits-1"][0], runs["digits-3"][0]
    assert {file.name: file.read_text() for file in (first / "params").iterdir()} == {
        "kind": "sgd",
        "lr": "0.01",
        "momentum": "0.5",
        "layers": "3",
    }
    assert (first / "metrics" / "report" / "objective").read_text().splitlines() == [
        "1000000 0.0 0",
        "1001000 0.1 1",
        "1002000 0.2 2",
    ]
    assert (first / "metrics" / "objective").read_text().split()[1] == "0.25"
    assert (first / "metrics" / "loss" / "test").read_text().split()[1] == "0.5"
    assert not (runs["digits-2"][0] / "params" / "momentum").exists()
    assert "ValueError: 3" in (third / "tags" / "ambs.error").read_text()
    assert [one.name for one in tmp_path.iterdir() if "partial" in one.name] == []


def test_a_name_leads_to_no_other_folder(tmp_path: Path) -> None:
    """A metric is named by the evaluation, which nobody trusts."""
    run = ExportedRun(
        *(
            "uid-0-1-done",
            "net-1",
            True,
            {"../../a": 1},
            0.5,
            {"../../../../b": 1.0, "/etc/c": 2.0, ".": 3.0},
        ),
        *((), {"../d": "x", "n\0\n": "y"}, 0.0, 1.0),
    )
    campaign = ExportedCampaign("net", "uid", "minimize", "ambs", [])
    files = MlflowFiles(tmp_path / "deep" / "er" / "mlruns")
    files.begin(campaign)
    files.add(campaign, [run])
    (experiment,) = (tmp_path / "deep" / "er" / "mlruns").iterdir()
    inside = [one for one in tmp_path.rglob("*") if one.is_file()]
    assert all(experiment in one.parents for one in inside)
    assert len([one for one in inside if one.parent.name != experiment.name]) == 9


def test_tensorboard_gets_scalars_and_the_sheet_of_parameters(engine: Engine, tmp_path: Path) -> None:
    """Checked by a decoder of its own; that TensorBoard itself reads it was tried by hand."""
    campaign, _ = campaigns.ended(engine)
    export_campaign(engine, campaign, "tensorboard", tmp_path / "tb")
    (folder,) = (one for one in (tmp_path / "tb").iterdir() if one.is_dir())
    assert sorted(one.name for one in folder.iterdir()) == ["0-1-done", "1-1-done", "2-1-failed"]
    (file,) = (folder / "0-1-done").iterdir()
    events = decoded(file.read_bytes())
    assert events[0]["version"] == "brain.Event:2"
    scalars = [(one["tag"], one["step"], one["scalar"]) for one in events if "scalar" in one]
    assert [one for one in scalars if one[0] == "reports/objective"] == [
        ("reports/objective", 0, 0.0),
        ("reports/objective", 1, pytest.approx(0.1)),
        ("reports/objective", 2, pytest.approx(0.2)),
    ]
    assert ("objective", 2, 0.25) in scalars
    assert ("metrics/loss/test", 2, 0.5) in scalars
    sheet = next(one for one in events if one.get("tag") == "_hparams_/session_start_info")
    assert sheet["hparams"] == {"kind": "sgd", "lr": 0.01, "momentum": 0.5, "layers": 3.0}
    (failed,) = (folder / "2-1-failed").iterdir()
    assert [one["status"] for one in decoded(failed.read_bytes()) if "status" in one] == [2]


def test_numbers_that_tensorboard_cannot_hold_are_the_largest(tmp_path: Path) -> None:
    """Its scalars have 32 bits; a diverged loss of 1e300 must not end the export."""
    run = ExportedRun("u-0-1-done", "n", True, {}, 1e300, {"m": -1e300}, (), {}, 0.0, 1.0)
    campaign = ExportedCampaign("net", "u", "minimize", "ambs", [])
    files = TARGETS["tensorboard"].open(tmp_path)
    files.begin(campaign)
    files.add(campaign, [run])
    (file,) = tmp_path.rglob("events.out.*")
    scalars = {one["tag"]: one["scalar"] for one in decoded(file.read_bytes()) if "scalar" in one}
    assert all(math.isfinite(one) for one in scalars.values())
    assert scalars["objective"] > 3e38 > -3e38 > scalars["metrics/m"]


def test_a_missing_package_is_named(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the extra that brings it."""
    campaign, _ = campaigns.ended(engine)
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    with pytest.raises(UsageError, match=r"pip install 'ambs-hpc\[wandb\]'"):
        export_campaign(engine, campaign, "wandb-offline", tmp_path)


def test_experiments_of_one_name_stay_apart(tmp_path: Path) -> None:
    """Two databases have a campaign `net`; MLflow takes a name once."""
    files = MlflowFiles(tmp_path)
    for uid in ("first", "second"):
        files.begin(ExportedCampaign("net", uid, "minimize", "ambs", []))
    names = [yaml.safe_load(one.read_text())["name"] for one in tmp_path.glob("*/meta.yaml")]
    assert sorted(names) == ["net", "net-second"]
    assert mlflow_files.FINISHED == 3
