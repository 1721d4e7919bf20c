"""An ensemble of a campaign's evaluations, selected by the predictions that they left in their folders."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ambs_hpc.api.kept_files.attempt_files import folder_of
from ambs_hpc.api.kept_files.predictions_file import FILE, Predictions, PredictionsUnusable, read_predictions
from ambs_hpc.api.outside_note import outside_note
from ambs_hpc.errors import NotFound, UsageError, nearest
from ambs_hpc.insight.ensemble_selection import SelectedEnsemble, select_ensemble
from ambs_hpc.insight.prediction_metrics import METRICS, PredictionMetric, default_metric
from ambs_hpc.queue import EvaluationRow, best, goals_of_stored, marks_of, show_evaluation
from ambs_hpc.records import IMPORTED

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ambs_hpc.insight.prediction_metrics import Array, Labels
    from ambs_hpc.records import Campaign, Configuration

POOL = 100  # of the best evaluations, whose predictions are read
BREAKS = "breaks a constraint: ambs best"  # why one is left out
MOST_BYTES = 4 * 2**30  # of the predictions that are held at once


@dataclass(frozen=True, slots=True)
class EnsembleMember:
    """An evaluation in an ensemble.

    Args:
        weight: of its predictions in the ensemble's mean, above 0.
        validation, test: its own scores; None without predictions of the test examples.
        folder: where it ran, with whatever else it left.
        note: what a person should know before using it; "" for nothing.
    """

    id: int
    weight: float
    objective: float
    validation: float
    test: float | None
    configuration: Configuration
    folder: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class CampaignEnsemble:
    """The weighted mean of what some evaluations predict.

    Args:
        members: the heaviest first; the weights' sum is 1.
        validation, test: scores of the mean, in the metric's units; test is None unless all members have
            predicted the same test examples.
        best: the evaluation that has the best validation score alone; its weight is 0 unless it is a member.
        candidates: evaluations whose predictions were compared.
        left_out: reasons why others were not, and their ids.
    """

    campaign: str
    metric: str
    members: tuple[EnsembleMember, ...]
    validation: float
    test: float | None
    best: EnsembleMember
    candidates: int
    left_out: Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True)
class _Candidate:
    row: EvaluationRow
    folder: str
    said: Predictions


def campaign_ensemble(
    connection: Connection, campaign: Campaign, size: int, *, metric: str | None = None, pool: int = POOL
) -> CampaignEnsemble:
    """The ensemble of at most `size` evaluations with the best score on the validation examples.

    Args:
        metric: a name of METRICS; None takes log_loss where the predictions are probabilities of classes, and
            otherwise rmse.
        pool: so many of the best evaluations are candidates, but for those that break a constraint.

    Raises:
        UsageError: there is no such metric, or it fits none of the predictions.
        NotFound: no evaluation has left predictions that can be used; the message says why.
    """
    if metric is not None and metric not in METRICS:
        raise UsageError(f"metric {metric}: there is none of this name. {nearest(metric, METRICS)}")
    imported = marks_of(connection, campaign.id).imported  # they have no folders, and take nobody's place
    found_best = best(connection, campaign.id, pool + imported)
    rows = [row for row in found_best if row.proposal_kind != IMPORTED][:pool]
    if not rows:
        raise NotFound(f"No evaluation of {campaign.name} is done yet; `ambs status` shows how they stand.")
    reasons: dict[str, list[int]] = {}
    found = _read(connection, _kept(campaign, rows, reasons), reasons)
    found = _alike(found, reasons)
    measure, found = _measurable(found, metric, reasons)
    labels = found[0].said.validation_labels
    chosen = select_ensemble([one.said.validation for one in found], labels, measure, size)
    return _described(campaign, measure, found, chosen, reasons)


def _kept(
    campaign: Campaign, rows: Sequence[EvaluationRow], reasons: dict[str, list[int]]
) -> list[EvaluationRow]:
    """Those that are not known to break a constraint."""
    kept, goals = [], goals_of_stored(campaign)
    for row in rows:
        if goals.feasibility(row.objective, row.metrics).verdict == "no":
            reasons.setdefault(BREAKS, []).append(row.id)
        else:
            kept.append(row)
    return kept


def _read(
    connection: Connection, rows: list[EvaluationRow], reasons: dict[str, list[int]]
) -> list[_Candidate]:
    """The candidates, in the order of the rows, as long as their predictions fit into memory."""
    found: list[_Candidate] = []
    held = 0
    for row in rows:
        folder = folder_of(show_evaluation(connection, row.id), max(row.attempt, 1))
        try:
            said = read_predictions(Path(folder) / FILE, with_test=False)
        except FileNotFoundError:
            reasons.setdefault(f"left no {FILE}", []).append(row.id)
            continue
        except PredictionsUnusable as error:
            reasons.setdefault(f"{FILE} {error}", []).append(row.id)
            continue
        held += said.validation.nbytes
        if held > MOST_BYTES:
            words = f"does not fit beside the better ones into {MOST_BYTES >> 30} GiB"
            reasons.setdefault(words, []).extend(one.id for one in rows[rows.index(row) :])
            break
        found.append(_Candidate(row, folder, said))
    if not found:
        number = sum(map(len, reasons.values()))
        raise NotFound(
            f"None of the {number} best evaluations has left predictions that can be used. "
            f"{words_of(reasons)}. Let the objective write {FILE} where it works: "
            "numpy.savez('predictions.npz', validation=..., validation_labels=...); "
            "`ambs ensemble --help` says what belongs into it."
        )
    return found


def _alike(found: list[_Candidate], reasons: dict[str, list[int]]) -> list[_Candidate]:
    """Those with the labels and the shape that most have; of equally many, those of the better evaluation."""
    keys = [_key(one.said.validation, one.said.validation_labels) for one in found]
    usual = max(keys, key=keys.count)
    reference = found[keys.index(usual)]
    for one, key in zip(found, keys, strict=True):
        if key != usual:
            reasons.setdefault(_difference(one, reference), []).append(one.row.id)
    return [one for one, key in zip(found, keys, strict=True) if key == usual]


def _key(said: Array, labels: Labels) -> tuple[object, ...]:
    numbers = np.ascontiguousarray(labels, dtype=np.float64)
    return said.shape, labels.shape, hashlib.sha256(numbers.tobytes()).digest()


def _difference(one: _Candidate, reference: _Candidate) -> str:
    shapes = one.said.validation.shape, reference.said.validation.shape
    if shapes[0] != shapes[1]:
        return f"validation has the shape {shapes[0]}, and {shapes[1]} in evaluation {reference.row.id}"
    return f"validation_labels are others than those of evaluation {reference.row.id}: not the same examples"


def _measurable(
    found: list[_Candidate], metric: str | None, reasons: dict[str, list[int]]
) -> tuple[PredictionMetric, list[_Candidate]]:
    """The metric, and the candidates that it can score."""
    first = found[0].said
    measure = METRICS[metric or default_metric(first.validation, first.validation_labels)]
    fit = []
    for one in found:
        obstacle = measure.obstacle(one.said.validation, one.said.validation_labels)
        if obstacle:
            reasons.setdefault(obstacle, []).append(one.row.id)
        else:
            fit.append(one)
    if not fit:
        raise UsageError(
            f"The metric {measure.name} fits none of the predictions. {words_of(reasons)}. "
            f"Accepted: --metric {', '.join(METRICS)}."
        )
    return measure, fit


def _described(
    campaign: Campaign,
    measure: PredictionMetric,
    found: list[_Candidate],
    chosen: SelectedEnsemble,
    reasons: dict[str, list[int]],
) -> CampaignEnsemble:
    labels = found[0].said.validation_labels
    scores = [measure.loss(one.said.validation, labels) for one in found]
    leading = int(np.argmin(scores))
    tests = {place: _test_of(found[place], measure) for place in {leading, *chosen.weights}}
    described = {
        place: EnsembleMember(
            id=found[place].row.id,
            weight=chosen.weights.get(place, 0.0),
            objective=found[place].row.objective or 0.0,
            validation=measure.score(found[place].said.validation, labels),
            test=None if test is None else measure.score(*test),
            configuration=found[place].row.configuration,
            folder=found[place].folder,
            note=outside_note(campaign, found[place].row.configuration),
        )
        for place, test in tests.items()
    }
    return CampaignEnsemble(
        campaign=campaign.name,
        metric=measure.name,
        members=tuple(described[place] for place in chosen.weights),
        validation=chosen.score,
        test=_mixed_test(chosen.weights, tests, measure),
        best=described[leading],
        candidates=len(found),
        left_out=reasons,
    )


def _test_of(one: _Candidate, measure: PredictionMetric) -> tuple[Array, Labels] | None:
    """Predictions and labels of the test examples, where they are there and can be scored."""
    try:
        said = read_predictions(Path(one.folder) / FILE)
    except (FileNotFoundError, PredictionsUnusable):  # it was read before: it may have gone, or only its test
        return None
    if said.test is None or said.test_labels is None or measure.obstacle(said.test, said.test_labels):
        return None
    return said.test, said.test_labels


def _mixed_test(
    weights: Mapping[int, float],
    tests: Mapping[int, tuple[Array, Labels] | None],
    measure: PredictionMetric,
) -> float | None:
    there = {place: test for place in weights if (test := tests[place]) is not None}
    if len(there) < len(weights) or len({_key(*test) for test in there.values()}) > 1:
        return None
    mixed = np.sum([weights[place] * said for place, (said, _) in there.items()], axis=0)
    return measure.score(mixed, next(iter(there.values()))[1])


def words_of(reasons: Mapping[str, Sequence[int]]) -> str:
    """Why evaluations were left out, with how many and the first of them."""
    return "; ".join(
        f"{len(ids)} of them, as evaluation {ids[0]}: {reason}"
        if len(ids) > 1
        else f"evaluation {ids[0]}: {reason}"
        for reason, ids in reasons.items()
    )
