"""Train a small network on scikit-learn's handwritten digits; the objective of `problem.py` beside it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

EPOCHS = 10  # few on purpose: a good configuration has to learn fast
FOLDS = RepeatedStratifiedKFold(n_splits=5, n_repeats=3, random_state=0)


def train(configuration: Mapping[str, float | int | str]) -> dict[str, float]:
    """Cross-validated accuracy of one configuration.

    Args:
        configuration: the active parameters of `problem.py`.

    Returns:
        `objective`: mean accuracy over fifteen folds, 0 to 1; `worst_fold`: the lowest of them.
    """
    images, labels = load_digits(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # EPOCHS is a budget, not a mistake
        scores = cross_val_score(build(configuration), images, labels, cv=FOLDS)
    return {"objective": float(scores.mean()), "worst_fold": float(scores.min())}


def build(configuration: Mapping[str, float | int | str]) -> object:
    """The scikit-learn estimator of a configuration; absent parameters belong to the other solver."""
    layers = (int(configuration["units"]),) * int(configuration["layers"])
    options = {name: configuration[name] for name in ("momentum", "beta_1") if name in configuration}
    network = MLPClassifier(
        hidden_layer_sizes=layers,
        activation=str(configuration["activation"]),
        solver=str(configuration["solver"]),
        learning_rate_init=float(configuration["learning_rate"]),
        alpha=float(configuration["alpha"]),
        batch_size=int(configuration["batch_size"]),
        max_iter=EPOCHS,
        random_state=0,
        **options,
    )
    return make_pipeline(StandardScaler(), network)
