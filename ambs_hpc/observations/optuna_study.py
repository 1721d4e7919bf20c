"""The trials of an Optuna study as results; with the adapter of its samplers, all that imports Optuna."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from ambs_hpc.errors import UsageError, nearest
from ambs_hpc.observations.raw_observation import RawObservation, RowEnding, ending_of


def study_observations(
    url: str, study: str | None, renamed: Mapping[str, str] | None = None
) -> list[RawObservation]:
    """The trials of a study in the order of their numbers; the storage is only read.

    Args:
        url: of the storage, as Optuna takes it.
        study: its name; None where the storage has only one.
        renamed: new names of parameters by their old ones.

    Raises:
        UsageError: Optuna is missing, the storage cannot be read, or it has no such study, or several
            objectives.
    """
    optuna = _library()
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///").split("?")[0]).is_file():
        # Optuna would make an empty one.
        raise UsageError(f"--optuna {url}: there is no such file.")
    try:
        names = optuna.get_all_study_names(storage=url)
        loaded = optuna.load_study(study_name=_chosen(names, study), storage=url)
        trials = loaded.get_trials(deepcopy=False)
    except (optuna.exceptions.OptunaError, SQLAlchemyError, ImportError, ValueError, KeyError) as error:
        raise UsageError(
            f"Optuna cannot read the storage ({type(error).__name__}): {str(error).splitlines()[0]}"
        ) from error
    if len(loaded.directions) > 1:
        raise UsageError(
            f"Study {loaded.study_name!r} has {len(loaded.directions)} objectives, and one is read from a "
            "storage: write its trials to a CSV file with a column for each parameter and each objective, by "
            "the names that they have in the campaign, and give that file."
        )
    direction = loaded.direction.name.lower()
    known = {name for trial in trials for name in trial.params}
    for old in renamed or {}:
        if old not in known:
            raise UsageError(f"--map {old}: no trial has such a parameter. {nearest(old, known)}")
    return [_observation(loaded.study_name, trial, direction, renamed or {}) for trial in trials]


def _library() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise UsageError("An Optuna study needs Optuna: pip install 'ambs-hpc[optuna]'.") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _chosen(names: list[str], study: str | None) -> str:
    if study is None and len(names) == 1:
        return names[0]
    if study is None or study not in names:
        said = f"no study {study!r}" if study else "not one study only: say which by --study NAME"
        listed = nearest(study or "", names) if names else "It has none."
        raise UsageError(f"The storage has {said}. {listed}")
    return study


def _observation(study: str, trial: Any, direction: str, renamed: Mapping[str, str]) -> RawObservation:
    ending, objective, words = RowEnding.SKIPPED, None, f"is {trial.state.name}"
    if trial.state.name == "COMPLETE":
        ending, objective, words = ending_of(trial.value)
    elif trial.state.name == "FAIL":
        ending, words = RowEnding.FAILED, str(trial.system_attrs.get("fail_reason") or "failed in Optuna")
    return RawObservation(
        place=f"study {study!r}, trial {trial.number}",
        values={renamed.get(name, name): value for name, value in trial.params.items()},
        ending=ending,
        objective=objective,
        words=words,
        direction=direction,
    )
