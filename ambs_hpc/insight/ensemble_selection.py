"""Which models make a good ensemble together, from what each of them predicts: greedy, with replacement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ambs_hpc.insight.prediction_metrics import Array, Labels, PredictionMetric

ROUNDS = 50


@dataclass(frozen=True, slots=True)
class SelectedEnsemble:
    """The members and what each of them weighs.

    Args:
        weights: by the member's place among the candidates, above 0, their sum is 1; heaviest first.
        score: of the weighted mean of the members' predictions, in the metric's units.
        rounds: steps of the selection that were kept.
    """

    weights: Mapping[int, float]
    score: float
    rounds: int


def select_ensemble(
    predictions: Sequence[Array],
    labels: Labels,
    metric: PredictionMetric,
    most_members: int,
    *,
    rounds: int = ROUNDS,
) -> SelectedEnsemble:
    """The ensemble that a greedy selection finds; it is never worse here than its best member.

    It begins with the best candidate. Each round adds the one, perhaps again, with which the mean of all
    that were added is best; of candidates that are equally good the earlier one. The rounds up to the best
    mean are kept.

    Args:
        predictions: of each candidate, all of one shape, for the same examples.
        labels: of these examples.
        most_members: different candidates that may be chosen, >= 1.
        rounds: of the selection, at most, >= 1.

    Source: Caruana, Niculescu-Mizil, Crew, Ksikes (2004), "Ensemble selection from libraries of models".
    """
    assert predictions and most_members >= 1 and rounds >= 1
    chosen: list[int] = []
    total = np.zeros(predictions[0].shape)
    best_loss, kept = np.inf, 0
    for size in range(1, rounds + 1):
        is_full = len(set(chosen)) >= most_members
        candidates = sorted(set(chosen)) if is_full else range(len(predictions))
        losses = {one: metric.loss((total + predictions[one]) / size, labels) for one in candidates}
        added = min(losses, key=losses.__getitem__)
        chosen.append(added)
        total += predictions[added]
        if losses[added] < best_loss:
            best_loss, kept = losses[added], size
    counts = Counter(chosen[:kept]).most_common()
    weights = {member: count / kept for member, count in counts}
    return SelectedEnsemble(weights, best_loss if metric.is_loss else -best_loss, kept)
