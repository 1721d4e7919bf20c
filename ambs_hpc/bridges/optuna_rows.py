"""Many trials in one transaction, by the tables of Optuna's own storage; its interface stores one at a time.

That costs some thirty milliseconds a trial, most of it for statements that ask what is known here. The tables
are written through Optuna's own classes, which know how a time, a value or a state is kept.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import func, select, update


def store_trials(storage: Any, study_id: int, trials: Sequence[Any], optuna: Any) -> None:
    """Add trials that have ended to a study, all of them or none.

    Args:
        storage: Optuna's RDBStorage on SQLite.
        trials: of `optuna.trial.create_trial`, checked against the study's ranges.
    """
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


def stored_keys(storage: Any, study_id: int, key: str, optuna: Any) -> set[str]:
    """The values of one attribute of a study's trials, without the trials."""
    models = optuna.storages._rdb.models
    trial, attribute = models.TrialModel, models.TrialUserAttributeModel
    asked = select(attribute.value_json).join(trial, trial.trial_id == attribute.trial_id)
    with contextlib.closing(storage.scoped_session()) as session:
        found = session.scalars(asked.where(trial.study_id == study_id, attribute.key == key))
        return {str(json.loads(one)) for one in found}


def stored_ranges(storage: Any, study_id: int, optuna: Any) -> dict[str, Any]:
    """The range of each parameter in the first of a study's trials that has it."""
    models = optuna.storages._rdb.models
    trial, parameter = models.TrialModel, models.TrialParamModel
    firsts = (
        select(func.min(parameter.param_id))
        .join(trial, trial.trial_id == parameter.trial_id)
        .where(trial.study_id == study_id)
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
