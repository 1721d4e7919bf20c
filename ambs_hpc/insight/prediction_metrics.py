"""How good predictions are: log loss, accuracy, root mean square error; what each needs of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]  # of floats
Labels = NDArray[Any]  # of whole numbers for classes, else of floats
SMALLEST_PROBABILITY = 1e-7  # so that one sure mistake is dear but not infinitely so
SUM_TOLERANCE = 1e-3  # of the probabilities of a row; half precision has no more


@dataclass(frozen=True, slots=True)
class PredictionMetric:
    """A measure of predictions.

    Args:
        score: of predictions (n,) or (n, c) and labels, in the metric's own units.
        is_loss: lower is better.
        obstacle: what keeps it from scoring such predictions and labels, in words; "" for nothing.
    """

    name: str
    score: Callable[[Array, Labels], float]
    is_loss: bool
    obstacle: Callable[[Array, Labels], str]

    def loss(self, predictions: Array, labels: Labels) -> float:
        """The score, lower is better."""
        value = self.score(predictions, labels)
        return value if self.is_loss else -value


def default_metric(predictions: Array, labels: Labels) -> str:
    """The metric that such arrays are usually judged by: rmse, unless there are probabilities of classes."""
    has_classes = predictions.ndim == 2 and np.issubdtype(labels.dtype, np.integer) and labels.ndim == 1
    return "log_loss" if has_classes and not _not_probabilities(predictions, labels) else "rmse"


def log_loss(predictions: Array, labels: Labels) -> float:
    """Mean of -log of what the right class was given, in nats.

    Args:
        predictions: (n, c) probabilities, or (n,) those of class 1 of two.
        labels: (n,) classes, whole numbers from 0.
    """
    right = _probabilities(predictions)[np.arange(len(labels)), labels.astype(np.intp)].astype(np.float64)
    return float(-np.log(np.maximum(right, SMALLEST_PROBABILITY)).mean())


def accuracy(predictions: Array, labels: Labels) -> float:
    """Share of right classes, 0 to 1; arguments as of `log_loss`, where scores need not sum to 1."""
    return float((_probabilities(predictions).argmax(axis=1) == labels).mean())


def rmse(predictions: Array, labels: Labels) -> float:
    """Root of the mean square difference, over all outputs; both (n,) or (n, outputs)."""
    return float(np.sqrt(np.mean((predictions.astype(np.float64) - labels) ** 2)))


def _probabilities(predictions: Array) -> Array:
    if predictions.ndim == 2:
        return predictions
    return np.stack([1.0 - predictions, predictions], axis=1)


def _not_probabilities(predictions: Array, labels: Labels) -> str:
    wrong = _not_classes(predictions, labels)
    if wrong:
        return wrong
    if predictions.min() < -SUM_TOLERANCE or predictions.max() > 1.0 + SUM_TOLERANCE:
        low, high = predictions.min(), predictions.max()
        return f"predictions go from {low:.4g} to {high:.4g}: log loss needs probabilities"
    sums = _probabilities(predictions).sum(axis=1)
    row = int(np.abs(sums - 1.0).argmax())
    if abs(sums[row] - 1.0) > SUM_TOLERANCE:
        return f"row {row} sums to {sums[row]:.4g}: log loss needs probabilities"
    return ""


def _not_classes(predictions: Array, labels: Labels) -> str:
    if labels.ndim != 1 or predictions.ndim > 2:
        return f"predictions {predictions.shape} and labels {labels.shape}: classes need (n, c) and (n,)"
    if not np.issubdtype(labels.dtype, np.integer):
        return f"labels are {labels.dtype}: classes are whole numbers from 0"
    classes = predictions.shape[1] if predictions.ndim == 2 else 2
    if labels.min() < 0 or labels.max() >= classes:
        low, high = labels.min(), labels.max()
        return f"labels go from {low} to {high}, and predictions have the classes 0 to {classes - 1}"
    return ""


def _not_numbers(predictions: Array, labels: Labels) -> str:
    if predictions.shape == labels.shape:
        return ""
    return f"predictions {predictions.shape} and labels {labels.shape}: rmse needs one shape"


METRICS: Mapping[str, PredictionMetric] = {
    one.name: one
    for one in (
        PredictionMetric("log_loss", log_loss, True, _not_probabilities),
        PredictionMetric("accuracy", accuracy, False, _not_classes),
        PredictionMetric("rmse", rmse, True, _not_numbers),
    )
}
