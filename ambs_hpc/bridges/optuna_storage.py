"""Runs as trials of a study in Optuna's own SQLite storage."""

from __future__ import annotations

import datetime
import sqlite3
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import event

from ambs_hpc.bridges.exported_run import ExportedCampaign, ExportedRun
from ambs_hpc.bridges.optuna_rows import store_trials, stored_keys, stored_ranges
from ambs_hpc.errors import UsageError
from ambs_hpc.records import Value

KEY, ABOUT, UID = "ambs.key", "ambs", "ambs.campaign_uid"  # attributes of a trial, of a trial, of a study

CONSTRAINTS = "constraints"  # the attribute of a trial that Optuna keeps them in
MISSING_EXCESS, TOUCHED_EXCESS = 1.0, 1e-9


class OptunaStorage:
    """A storage file with a study for each campaign, of the campaign's name."""

    def __init__(self, file: Path) -> None:
        try:
            import optuna
        except ImportError as error:
            raise UsageError("optuna needs optuna: pip install 'ambs-hpc[optuna]'.") from error
        _refuse_other_database(file)
        self._optuna: Any = optuna
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        file.parent.mkdir(parents=True, exist_ok=True)
        self._storage = optuna.storages.RDBStorage(f"sqlite:///{file}")
        # What a power cut takes is exported again: nobody waits for the disk after each trial.
        event.listen(self._storage.engine, "connect", _without_waiting)
        self._storage.engine.dispose()  # of connections that were made before
        self._study: Any = None
        self._ranges: dict[str, Any] = {}
        self._stored: dict[str, Any] = {}  # ranges of parameters in the study's first trials

    def known(self, campaign: ExportedCampaign) -> Collection[str]:
        """Keys of the trials that the campaign's study has."""
        if campaign.name not in self._optuna.get_all_study_names(self._storage):
            return set()
        study = self._optuna.load_study(study_name=campaign.name, storage=self._storage)
        if study.user_attrs.get(UID) != campaign.uid:
            raise UsageError(
                f"The file has a study {campaign.name!r} that is not this campaign's. Give another file."
            )
        return stored_keys(self._storage, study, KEY, self._optuna)

    def run_id(self, key: str) -> str:
        """The key of a trial."""
        return key

    def begin(self, campaign: ExportedCampaign) -> None:
        """Make the campaign's study where it is missing."""
        directions = campaign.directions
        study = self._study = self._optuna.create_study(
            study_name=campaign.name, storage=self._storage, directions=directions, load_if_exists=True
        )
        if len(study.directions) != len(directions):
            raise UsageError(f"The file's study {campaign.name!r} has other objectives. Give another file.")
        if UID not in study.user_attrs:
            study.set_user_attr(UID, campaign.uid)
            study.set_user_attr("ambs.method", campaign.method)
            if campaign.goals is not None and campaign.goals.has_several:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # Optuna calls it experimental
                    study.set_metric_names(campaign.goals.names)
        self._ranges = distributions(campaign.spaces, self._optuna)
        self._stored = stored_ranges(self._storage, study, self._optuna)

    def add(self, campaign: ExportedCampaign, runs: Sequence[ExportedRun]) -> None:
        """Store trials, in one transaction where Optuna's tables are known.

        Raises:
            UsageError: the file's earlier trials have another kind of range for a parameter.
        """
        trials = []
        for run in runs:
            trial = self._trial(campaign, run)
            for name, known in trial.distributions.items():
                self._check(run, self._stored.setdefault(name, known), known)
            trials.append(trial)
        store_trials(self._storage, self._study, trials, self._optuna)

    def _trial(self, campaign: ExportedCampaign, run: ExportedRun) -> Any:
        states = self._optuna.trial.TrialState
        ranges = {
            name: _holding(self._ranges.get(name), value, self._optuna)
            for name, value in run.configuration.items()
        }
        values = _values(campaign, run)
        trial = self._optuna.trial.create_trial(
            state=states.FAIL if values is None else states.COMPLETE,
            values=values,
            params={
                name: _typed(value, ranges[name], self._optuna) for name, value in run.configuration.items()
            },
            distributions=ranges,
            # Of one name the last counts: an evaluation names its metrics, and must not rename itself.
            user_attrs={**run.metrics, KEY: run.key, ABOUT: _about(run)},
            system_attrs=_constraints(campaign, run),
            intermediate_values={step: numbers["objective"] for step, _, numbers in run.series},
        )
        trial.datetime_start, trial.datetime_complete = _local(run.started_at), _local(run.finished_at)
        return trial

    def _check(self, run: ExportedRun, old: Any, new: Any) -> None:
        try:
            self._optuna.distributions.check_distribution_compatibility(old, new)
        except ValueError as error:
            raise UsageError(
                f"{run.name} does not fit the study's earlier trials: {error}. The space was revised since; "
                "export to a new file."
            ) from error


def _values(campaign: ExportedCampaign, run: ExportedRun) -> list[float] | None:
    """The objectives in their order; None where it failed, or one of several is missing."""
    if run.objective is None:
        return None
    if campaign.goals is None:
        return [run.objective]
    values = list(campaign.goals.values(run.objective, run.metrics).values())
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else None


def _constraints(campaign: ExportedCampaign, run: ExportedRun) -> dict[str, list[float]]:
    """What Optuna's samplers and its dashboard read of constraints: above 0 is broken, as what is missing."""
    if campaign.goals is None or not campaign.goals.constraints or not run.is_done:
        return {}
    beyond = []
    for one in campaign.goals.constraints:
        value = campaign.goals.value(one.metric, run.objective, run.metrics)
        excess = MISSING_EXCESS if value is None else one.excess(value)
        is_kept = value is not None and one.holds(value)
        beyond.append(excess if is_kept else max(excess, TOUCHED_EXCESS))
    return {CONSTRAINTS: beyond}


def distributions(spaces: Sequence[Mapping[str, object]], optuna: Any) -> dict[str, Any]:
    """What Optuna is told of each parameter: all that it could be in any revision.

    Optuna takes one kind of range for a parameter of a study. Ranges widen to hold all revisions, choices are
    all that there ever were, ordered ones and constants are choices, and a prior is left out.
    """
    found: dict[str, Any] = {}
    for space in spaces:
        parameters = space.get("hyperparameters")
        for one in parameters if isinstance(parameters, list) else []:
            name = str(one["name"])
            found[name] = _joined(found.get(name), _distribution(one, optuna), optuna)
    return found


def _distribution(parameter: Mapping[str, Any], optuna: Any) -> Any:
    kinds = optuna.distributions
    if "lower" in parameter:
        low, high = parameter["lower"], parameter["upper"]
        is_whole = isinstance(low, int) and isinstance(high, int) and "int" in str(parameter["type"])
        kind = kinds.IntDistribution if is_whole else kinds.FloatDistribution
        return kind(low, high, log=bool(parameter.get("log")))
    for key in ("choices", "sequence"):
        if key in parameter:
            return kinds.CategoricalDistribution(list(parameter[key]))
    return kinds.CategoricalDistribution([parameter["value"]])


def _joined(old: Any, new: Any, optuna: Any) -> Any:
    """A range that holds both; of two kinds, choices give way to the newer one."""
    kinds = optuna.distributions
    if old is None or old == new:
        return new
    if isinstance(old, kinds.CategoricalDistribution) and isinstance(new, kinds.CategoricalDistribution):
        return kinds.CategoricalDistribution(list(dict.fromkeys((*old.choices, *new.choices))))
    if isinstance(old, kinds.CategoricalDistribution) or isinstance(new, kinds.CategoricalDistribution):
        return new
    low, high = min(old.low, new.low), max(old.high, new.high)
    is_log = new.log and low > 0
    if isinstance(old, kinds.IntDistribution) and isinstance(new, kinds.IntDistribution):
        return kinds.IntDistribution(low, high, log=is_log)
    return kinds.FloatDistribution(float(low), float(high), log=is_log)


def _holding(known: Any, value: Value, optuna: Any) -> Any:
    """The parameter's range, made to hold a value of elsewhere."""
    kinds = optuna.distributions
    if known is None:
        return kinds.CategoricalDistribution([value])
    if isinstance(known, kinds.CategoricalDistribution):
        return known if value in known.choices else kinds.CategoricalDistribution([*known.choices, value])
    if isinstance(value, bool | str):
        return kinds.CategoricalDistribution([value])
    if known.low <= value <= known.high:
        return known
    low, high = min(known.low, value), max(known.high, value)
    return type(known)(low, high, log=known.log and low > 0)


def _typed(value: Value, known: Any, optuna: Any) -> Value:
    if isinstance(known, optuna.distributions.FloatDistribution):
        return float(value)
    return value


def _about(run: ExportedRun) -> dict[str, str]:
    return {name.removeprefix("ambs."): text for name, text in run.tags.items()}


def _without_waiting(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")


def _local(at: float) -> datetime.datetime:
    """Optuna keeps times of the machine's zone, without a zone."""
    return datetime.datetime.fromtimestamp(at)


def _refuse_other_database(file: Path) -> None:
    """Raise a UsageError where the file is a database of something else, such as the campaign's own."""
    if not file.is_file() or not file.stat().st_size:
        return
    try:
        with sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True) as connection:
            names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        connection.close()
    except sqlite3.DatabaseError as error:
        raise UsageError(f"{file} is no storage of Optuna: {error}. Give another file.") from error
    if "studies" not in names or "evaluation" in names:
        raise UsageError(f"{file} is a database of something else. Give a file of its own, as optuna.db.")
