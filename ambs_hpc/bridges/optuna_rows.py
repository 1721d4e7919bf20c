"""Many trials in one transaction, by the tables of Optuna's own storage; its interface stores one at a time.

That costs thirty-five times as much, most of it for statements that ask what is known here. The tables are
written through Optuna's own classes, which know how a time, a value or a state is kept. Where Optuna's tables
are not those that are known here, its public interface is used, which is slow and does the same.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import func, select, update

KNOWN_SCHEMA = 12  # of Optuna 3, 4 and 5: the version that it gives its tables


def has_known_tables(storage: Any, optuna: Any) -> bool:
    """Whether Optuna's tables, which are its own matter, are those that are written here."""
    rdb = getattr(optuna.storages, "_rdb", None)
    schema = getattr(getattr(rdb, "models", None), "SCHEMA_VERSION", None)
    return schema == KNOWN_SCHEMA and hasattr(storage, "scoped_session")


def store_trials(storage: Any, study: Any, trials: Sequence[Any], optuna: Any) -> None:
    """Add trials that have ended to a study: all of them or none where its tables are known.

    Args:
        storage: Optuna's RDBStorage on SQLite.
        trials: of `optuna.trial.create_trial`, checked against the study's ranges.
    """
    if has_known_tables(storage, optuna):
        _store_at_once(storage, study._study_id, trials, optuna)
    else:
        study.add_trials(trials)


def _store_at_once(storage: Any, study_id: int, trials: Sequence[Any], optuna: Any) -> None:
    models = optuna.storages._rdb.models
    study, trial = models.StudyModel, models.TrialModel
    session = storage.scoped_session()
    try:
        # A write first: it keeps others out until the end, so that no two trials have one number.
        own = study.study_id == study_id
        session.execute(update(study).where(own).values(study_name=study.study_name))
        number = session.scalar(select(func.count()).where(trial.study_id == study_id))
        first = 1 + (session.scalar(select(func.max(trial.trial_id))) or 0)
        rows = [
            trial(
                trial_id=first + place,  # known before: asked for, it would cost a statement each
                study_id=study_id,
                number=number + place,
                state=one.state,
                datetime_start=one.datetime_start,
                datetime_complete=one.datetime_complete,
            )
            for place, one in enumerate(trials)
        ]
        details = [row for place, one in enumerate(trials) for row in _details(first + place, one, optuna)]
        session.bulk_save_objects([*rows, *details], preserve_order=False)
        session.commit()
    except BaseException:
        session.rollback()
        raise
    finally:
        session.close()


def stored_keys(storage: Any, study: Any, key: str, optuna: Any) -> set[str]:
    """The values of one attribute of a study's trials, without the trials."""
    if not has_known_tables(storage, optuna):
        attributes = [one.user_attrs for one in study.get_trials(deepcopy=False)]
        return {str(one[key]) for one in attributes if key in one}
    models = optuna.storages._rdb.models
    trial, attribute = models.TrialModel, models.TrialUserAttributeModel
    asked = select(attribute.value_json).join(trial, trial.trial_id == attribute.trial_id)
    with contextlib.closing(storage.scoped_session()) as session:
        found = session.scalars(asked.where(trial.study_id == study._study_id, attribute.key == key))
        return {str(json.loads(one)) for one in found}


def stored_ranges(storage: Any, study: Any, optuna: Any) -> dict[str, Any]:
    """The range of each parameter in the first of a study's trials that has it."""
    if not has_known_tables(storage, optuna):
        trials = study.get_trials(deepcopy=False)
        return {name: known for one in reversed(trials) for name, known in one.distributions.items()}
    models = optuna.storages._rdb.models
    trial, parameter = models.TrialModel, models.TrialParamModel
    firsts = (
        select(func.min(parameter.param_id))
        .join(trial, trial.trial_id == parameter.trial_id)
        .where(trial.study_id == study._study_id)
        .group_by(parameter.param_name)
    )
    asked = select(parameter.param_name, parameter.distribution_json).where(parameter.param_id.in_(firsts))
    with contextlib.closing(storage.scoped_session()) as session:
        return {
            name: optuna.distributions.json_to_distribution(text) for name, text in session.execute(asked)
        }


def _details(trial_id: int, trial: Any, optuna: Any) -> Iterator[Any]:
    models = optuna.storages._rdb.models
    for objective, value in enumerate(trial.values or ()):
        stored, kind = models.TrialValueModel.value_to_stored_repr(value)
        yield models.TrialValueModel(trial_id=trial_id, objective=objective, value=stored, value_type=kind)
    for name, value in trial.params.items():
        kept = trial.distributions[name]
        yield models.TrialParamModel(
            trial_id=trial_id,
            param_name=name,
            param_value=kept.to_internal_repr(value),
            distribution_json=optuna.distributions.distribution_to_json(kept),
        )
    for key, about in trial.user_attrs.items():
        yield models.TrialUserAttributeModel(trial_id=trial_id, key=key, value_json=json.dumps(about))
    for key, about in trial.system_attrs.items():
        yield models.TrialSystemAttributeModel(trial_id=trial_id, key=key, value_json=json.dumps(about))
    value_of_step = models.TrialIntermediateValueModel
    for step, value in trial.intermediate_values.items():
        stored, kind = value_of_step.intermediate_value_to_stored_repr(value)
        yield value_of_step(
            trial_id=trial_id, step=step, intermediate_value=stored, intermediate_value_type=kind
        )
