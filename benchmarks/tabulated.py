"""Models of scikit-learn on its own data, trained in every cell of a grid: the tables that are made here."""

from __future__ import annotations

import itertools
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.peer_problems import Parameter

Array = np.ndarray[Any, Any]
Data = tuple[Array, Array, Array, Array]  # to learn from and to judge by: X, X, y, y
REPEATS = 2  # splits of the data


@dataclass(frozen=True)
class Made:
    """A table that is made here.

    Args:
        data: name of scikit-learn's loader, without `load_`; learned: how many of its rows are learned from.
        axes: of each parameter, its values; those of the last come from one training where `staged`.
        error: of a model with these values on these data, one number, or one for each of the last axis.
        when: parameter -> the parameter before it and the values of that where it has a meaning.
    """

    data: str
    learned: int
    axes: dict[str, tuple[Any, ...]]
    error: Callable[[dict[str, Any], Data], Any]
    when: dict[str, tuple[str, tuple[str, ...]]]
    staged: bool = False

    @property
    def space(self) -> tuple[Parameter, ...]:
        """Numbers by their places, texts as choices."""
        return tuple(
            Parameter(name, "choice", choices=values, when=self.when.get(name))
            if isinstance(values[0], str)
            else Parameter(name, "int", 0, len(values) - 1, when=self.when.get(name))
            for name, values in self.axes.items()
        )


def tabulate(made: Made) -> tuple[Array, Array]:
    """Errors (*sizes, repeats) and the mean seconds of a training (*sizes); equal where nothing differs."""
    from threadpoolctl import threadpool_limits

    sizes = [len(values) for values in made.axes.values()]
    errors, seconds = np.full((*sizes, REPEATS), np.nan), np.full(sizes, np.nan)
    splits = [_split(made, repeat) for repeat in range(REPEATS)]
    known: dict[tuple[int, ...], tuple[Array, float]] = {}
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for cell in itertools.product(*map(range, sizes[:-1] if made.staged else sizes)):
            values = {name: made.axes[name][place] for name, place in zip(made.axes, cell, strict=False)}
            alike = tuple(
                place if _has_meaning(made, name, values) else 0
                for name, place in zip(made.axes, cell, strict=False)
            )
            if alike not in known:
                begun = time.perf_counter()
                found = np.array([made.error(values, split) for split in splits])  # (repeats[, stages])
                known[alike] = found.T, (time.perf_counter() - begun) / REPEATS
            errors[cell], seconds[cell] = known[alike]
    if made.staged:  # what the training up to there would have taken
        stages = np.array(list(made.axes.values())[-1], dtype=float)
        seconds *= stages / stages[-1]
    errors[~np.isfinite(errors).all(axis=-1)] = np.nan  # it failed where it failed once
    return errors, np.maximum(seconds, 1e-4)


def _has_meaning(made: Made, name: str, values: dict[str, Any]) -> bool:
    if name not in made.when:
        return True
    parent, where = made.when[name]
    return values[parent] in where


def _split(made: Made, repeat: int) -> Data:
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    X, y = getattr(datasets, f"load_{made.data}")(return_X_y=True)
    classes = y if made.data != "diabetes" else None
    parts = train_test_split(X, y, train_size=made.learned, random_state=repeat, stratify=classes)
    return tuple(parts)  # type: ignore[return-value]  # four arrays


def _scaled(scaler: str, learned: Array, judged: Array) -> tuple[Array, Array]:
    from sklearn.preprocessing import StandardScaler

    if scaler == "none":
        return learned, judged
    scale = StandardScaler().fit(learned)
    return scale.transform(learned), scale.transform(judged)


def _svm_error(values: dict[str, Any], data: Data) -> float:
    """Share of wrong answers, or the root mean square error of numbers."""
    from sklearn.svm import SVC, SVR

    given = {name: value for name, value in values.items() if name != "scaler"}
    learned, judged = _scaled(values["scaler"], data[0], data[1])
    model = (SVR if "epsilon" in given else SVC)(**given, cache_size=100, max_iter=20_000)
    answers = model.fit(learned, data[2]).predict(judged)
    if "epsilon" in given:
        return float(np.sqrt(np.mean((answers - data[3]) ** 2)))
    return float(np.mean(answers != data[3]))


def _boosting_error(values: dict[str, Any], data: Data) -> list[float]:
    """Log loss, or root mean square error, after each of the numbers of trees."""
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
    from sklearn.metrics import log_loss

    classes = len(np.unique(data[2])) < 20
    model = (GradientBoostingClassifier if classes else GradientBoostingRegressor)(
        n_estimators=STAGES[-1], random_state=0, **values
    ).fit(data[0], data[2])
    if classes:
        answers = list(model.staged_predict_proba(data[1]))
        return [log_loss(data[3], answers[stage - 1]) for stage in STAGES]
    answers = list(model.staged_predict(data[1]))
    return [float(np.sqrt(np.mean((answers[stage - 1] - data[3]) ** 2))) for stage in STAGES]


def _network_error(values: dict[str, Any], data: Data) -> list[float]:
    """Log loss after each of the numbers of epochs; NaN once it diverges."""
    from sklearn.metrics import log_loss
    from sklearn.neural_network import MLPClassifier

    learned, judged = _scaled("standard", data[0], data[1])
    given = {name: value for name, value in values.items() if name not in ("layers", "width")}
    shape = (values["width"],) * values["layers"]
    model, found = MLPClassifier(shape, random_state=0, **given), []
    for epoch in range(EPOCHS[-1]):
        try:
            model.partial_fit(learned, data[2], classes=np.unique(data[2]))
            if epoch + 1 in EPOCHS:
                found.append(log_loss(data[3], model.predict_proba(judged)))
        except ValueError:  # infinite weights
            return found + [float("nan")] * (len(EPOCHS) - len(found))
    return found


STAGES = (10, 20, 40, 80, 160)  # trees
EPOCHS = (2, 4, 8, 16)
_COSTS = tuple(float(one) for one in np.logspace(-3, 3, 10))
_WIDTHS = tuple(float(one) for one in np.logspace(-5, 1, 10))
_SVM = {
    "kernel": ("rbf", "poly", "sigmoid", "linear"),
    "C": _COSTS,
    "gamma": _WIDTHS,
    "coef0": (-1.0, 0.0, 1.0),
    "degree": (2, 3, 4),
    "scaler": ("none", "standard"),
}
_SVM_WHEN = {
    "gamma": ("kernel", ("rbf", "poly", "sigmoid")),
    "coef0": ("kernel", ("poly", "sigmoid")),
    "degree": ("kernel", ("poly",)),
}
_BOOSTING = {
    "learning_rate": (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8),
    "max_depth": (1, 2, 4, 6),
    "subsample": (0.5, 0.75, 1.0),
    "min_samples_leaf": (1, 5, 20),
    "max_features": (0.1, 0.4, 1.0),
    "n_estimators": STAGES,
}
_NETWORK = {
    "learning_rate_init": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
    "solver": ("adam", "sgd"),
    "momentum": (0.0, 0.9, 0.98),
    "activation": ("relu", "tanh", "logistic"),
    "layers": (1, 2),
    "width": (8, 24, 64),
    "batch_size": (16, 64),
    "alpha": (1e-4, 1.0),
    "max_iter": EPOCHS,
}
_NETWORK_WHEN = {"momentum": ("solver", ("sgd",))}
MADE = {
    "svm_digits": Made("digits", 500, _SVM, _svm_error, _SVM_WHEN),
    "svm_breast_cancer": Made("breast_cancer", 200, _SVM, _svm_error, _SVM_WHEN),
    "svr_diabetes": Made(
        "diabetes",
        200,
        {
            "kernel": ("rbf", "sigmoid", "linear"),
            "C": _COSTS,
            "gamma": _WIDTHS,
            "coef0": (-1.0, 0.0, 1.0),
            "epsilon": (0.1, 1.0, 3.0, 10.0, 30.0, 60.0),
            "scaler": ("none", "standard"),
        },
        _svm_error,
        {"gamma": ("kernel", ("rbf", "sigmoid")), "coef0": ("kernel", ("sigmoid",))},
    ),
    "boosting_breast_cancer": Made("breast_cancer", 200, _BOOSTING, _boosting_error, {}, staged=True),
    "boosting_diabetes": Made("diabetes", 200, _BOOSTING, _boosting_error, {}, staged=True),
    "network_wine": Made("wine", 80, _NETWORK, _network_error, _NETWORK_WHEN, staged=True),
}
