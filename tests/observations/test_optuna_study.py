"""A study that Optuna itself has stored is read with its failures and pruned trials."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from ambs_hpc.errors import UsageError
from ambs_hpc.observations import RawObservation, RowEnding, read_observations


def stored_study(url: str, name: str, directions: list[str]) -> None:
    """Three trials: one complete, one that failed, one that was pruned."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name=name, storage=url, directions=directions)
    space: dict[str, optuna.distributions.BaseDistribution] = {
        "lr": optuna.distributions.FloatDistribution(1e-5, 1e-1, log=True),
        "kind": optuna.distributions.CategoricalDistribution(["a", "b"]),
    }
    for value, state in [(0.9, "COMPLETE"), (None, "FAIL"), (None, "PRUNED")]:
        trial = study.ask(space)
        values = None if value is None else [value] * len(directions)
        study.tell(trial.number, values, state=optuna.trial.TrialState[state])


def test_a_study_is_read_trial_by_trial(tmp_path: Path) -> None:
    """People come from Optuna with studies that cost them months."""
    url = f"sqlite:///{tmp_path}/old.db"
    stored_study(url, "net", ["maximize"])
    params = [trial.params for trial in optuna.load_study(study_name="net", storage=url).trials]
    named = [{"learning_rate": one["lr"], "kind": one["kind"]} for one in params]
    assert read_observations(url, renamed={"lr": "learning_rate"}) == [
        RawObservation("study 'net', trial 0", named[0], RowEnding.DONE, 0.9, direction="maximize"),
        RawObservation(
            "study 'net', trial 1", named[1], RowEnding.FAILED, None, "failed in Optuna", direction="maximize"
        ),
        RawObservation(
            "study 'net', trial 2", named[2], RowEnding.SKIPPED, None, "is PRUNED", direction="maximize"
        ),
    ]


def test_a_study_that_cannot_be_taken_is_refused_in_words(tmp_path: Path) -> None:
    """Nothing is made, and the message says what there is."""
    url = f"sqlite:///{tmp_path}/old.db"
    with pytest.raises(UsageError, match="there is no such file"):
        read_observations(url)
    assert not (tmp_path / "old.db").exists()
    stored_study(url, "net", ["maximize"])
    stored_study(url, "both", ["maximize", "minimize"])
    with pytest.raises(UsageError, match=r"say which by --study NAME\. Accepted: both, net"):
        read_observations(url)
    with pytest.raises(UsageError, match=r"no study 'nett'\. Did you mean 'net'"):
        read_observations(url, study="nett")
    with pytest.raises(UsageError, match="'both' has 2 objectives"):
        read_observations(url, study="both")
    with pytest.raises(UsageError, match="no trial has such a parameter"):
        read_observations(url, study="net", renamed={"rate": "lr"})
    (tmp_path / "other.db").write_text("no database")
    with pytest.raises(UsageError, match="Optuna cannot read the storage"):
        read_observations(f"sqlite:///{tmp_path}/other.db")
