"""`ambs ensemble` as people and scripts read it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from ambs_hpc.cli.main import app
from ambs_hpc.errors import AmbsError, NotFound, UsageError
from ambs_hpc.launcher.paths import attempt_folder
from ambs_hpc.queue import claim, complete, import_results, open_database, transaction
from ambs_hpc.queue.schema.tables import campaign as campaigns
from ambs_hpc.records import Campaign, Claim, ImportedResult
from tests.queue import stock

LABELS = np.array([0, 1, 1, 0])
CLASSES = np.eye(2)[LABELS]


class Study:
    """A campaign whose evaluations have the objectives 0.1, 0.2, ..., and left what they are told to."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        engine = open_database(url)
        with transaction(engine) as connection:
            self.campaign: Campaign = stock.campaign(
                connection, name="net", run_directory=str(folder / "runs")
            )
            stock.evaluations(connection, self.campaign.id, 5)
            launcher = stock.launcher(connection, slots=8)
            self.claims: list[Claim] = claim(connection, launcher, 8)
            ended = [stock.success(one, 0.1 * (one.ordinal + 1)) for one in self.claims]
            complete(connection, launcher, ended)
        engine.dispose()

    def leave(self, ordinal: int, right: float, **more: object) -> int:
        """The predictions of an evaluation that gives the right class this probability; its id."""
        one = next(one for one in self.claims if one.ordinal == ordinal)
        folder = Path(attempt_folder(str(self.folder / "runs"), ordinal, one.attempt))
        folder.mkdir(parents=True)
        said = np.where(CLASSES > 0, right, 1.0 - right)
        np.savez(folder / "predictions.npz", **{"validation": said, "validation_labels": LABELS, **more})
        return one.id

    def told(self, *words: str) -> dict[str, object]:
        """What it prints as JSON; what it refuses is raised."""
        done = CliRunner().invoke(app, ["ensemble", "--db", self.url, "--json", *words])
        if isinstance(done.exception, AmbsError):
            raise done.exception
        assert done.exit_code == 0, done.output
        found: dict[str, object] = json.loads(done.stdout)
        return found


@pytest.fixture
def study(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.chdir(tmp_path)
    return Study(sqlite_url, tmp_path)


def test_members_weights_and_scores_are_told_and_written(study: Study) -> None:
    """The file is what a person takes along."""
    test = {"test": CLASSES, "test_labels": LABELS}
    first, second = np.array([0.9, 0.9, 0.5, 0.5]), np.array([0.5, 0.5, 0.8, 0.8])
    ids = [
        study.leave(place, 0.5, **test, validation=np.where(CLASSES > 0, right[:, None], 1 - right[:, None]))
        for place, right in enumerate((first, second))
    ]
    found = study.told("-k", "2")
    written = json.loads((study.folder / "net-ensemble.json").read_text())
    assert {**written, "file": "net-ensemble.json"} == found
    assert (found["campaign"], found["metric"], found["candidates"]) == ("net", "log_loss", 2)
    members = found["members"]
    assert isinstance(members, list)
    assert sorted(one["id"] for one in members) == sorted(ids)
    assert sum(one["weight"] for one in members) == pytest.approx(1.0)
    assert all(Path(one["folder"], "predictions.npz").is_file() for one in members)
    assert found["validation"] < min(one["validation"] for one in members)
    assert found["test"] == pytest.approx(0.0, abs=1e-6)
    assert found["left_out"] == {"left no predictions.npz": [one.id for one in study.claims[2:]]}


def test_what_cannot_be_compared_is_left_out_with_its_reason(study: Study) -> None:
    """Other examples, another shape, no probabilities: each would make the mean mean nothing."""
    ids = [study.leave(0, 0.9, validation_labels=1 - LABELS)]
    ids.append(study.leave(1, 0.6))
    ids.append(study.leave(2, 0.7))
    ids.append(study.leave(3, 0.8, validation=np.ones((4, 3)) / 3))
    ids.append(study.leave(4, 0.8, validation=CLASSES * 2))
    found = study.told("--metric", "log_loss", "-o", "taken.json")
    assert (study.folder / "taken.json").is_file()
    assert [one["id"] for one in found["members"]] == [ids[2]]  # type: ignore[attr-defined]
    assert found["left_out"] == {
        f"validation_labels are others than those of evaluation {ids[1]}: not the same examples": [ids[0]],
        f"validation has the shape (4, 3), and (4, 2) in evaluation {ids[1]}": [ids[3]],
        "predictions go from 0 to 2: log loss needs probabilities": [ids[4]],
    }


def test_imported_results_take_no_place_and_what_breaks_a_constraint_none(study: Study) -> None:
    """A hundred results of elsewhere left nobody; and a member must be one that can be used."""
    ids = [study.leave(0, 0.9), study.leave(1, 0.6), study.leave(2, 0.7)]
    engine = open_database(study.url)
    with transaction(engine) as connection:
        told = [ImportedResult({"lr": 2.0 + n, "layers": 1}, -1.0) for n in range(3)]
        import_results(connection, study.campaign.id, told)
        bounded = {**study.campaign.definition.problem, "constraints": [["objective", ">", 0.15]]}
        connection.execute(update(campaigns).values(problem=bounded))
    engine.dispose()
    found = study.told("--pool", "3")
    assert found["left_out"] == {"left no predictions.npz": [study.claims[3].id]}
    assert [one["id"] for one in found["members"]] == [ids[2]]  # type: ignore[attr-defined]
    assert study.told("--pool", "5")["left_out"]["breaks a constraint: ambs best"] == ids[:1]  # type: ignore[index]


def test_a_person_is_told_how_much_it_gains(study: Study) -> None:
    """Against the one that is best alone, and why others are missing."""
    study.leave(0, 0.6)
    study.leave(1, 0.9)
    text = CliRunner().invoke(app, ["ensemble", "--db", study.url, "-k", "3"]).stdout
    assert "ensemble of 1: log_loss on validation 0.105361\n" in text
    assert f"best alone, evaluation {study.claims[1].id}: validation 0.105361\n" in text
    assert "one alone is as good as any ensemble of these" in text
    assert "Chosen from 2; left out 3: 3 of them" in text
    assert text.endswith("left no predictions.npz\nWrote net-ensemble.json\n")


def test_refusals_say_what_to_do(study: Study) -> None:
    """Nothing left, a metric that does not fit, one that is not there."""
    with pytest.raises(NotFound, match=r"None of the 5 best evaluations has left .* numpy.savez"):
        study.told()
    study.leave(0, 0.6, validation_labels=LABELS + 0.5)
    with pytest.raises(UsageError, match=r"The metric accuracy fits none .* labels are float64"):
        study.told("--metric", "accuracy")
    with pytest.raises(UsageError, match=r"metric acuracy: .* Did you mean 'accuracy'"):
        study.told("--metric", "acuracy")
    assert not (study.folder / "net-ensemble.json").exists()
