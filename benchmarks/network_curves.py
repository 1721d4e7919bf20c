"""Small networks over a wide space, trained as far as a search asks: what LCBench varies, on small data.

The space is that of LCBench (Zimmer et al., 2021) without its dropout and with smaller networks: most of it
is bad, as where a person does not know the problem yet. Trained by numpy alone: a step of such a network
costs less than a call of a library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
RUNGS = (1, 3, 9, 27, 81)  # after these epochs they are asked
EPOCHS = RUNGS[-1]
WORST = 10.0  # of a squared error, that of zeros being 0.2: one that diverges is bad, and finite
SPACE: dict[str, object] = {
    "lr": (1e-4, 1.0, "log"),
    "slowness": (0.01, 1.0, "log"),  # 1 - momentum
    "batch": (16, 256, "log"),
    "decay": (1e-6, 1e-1, "log"),
    "units": (4, 64, "log"),
    "layers": (1, 4),
}


@dataclass(frozen=True)
class _Data:
    """What networks learn: (n, f) inputs, (n, q) targets; the first are trained on, the last held out."""

    X: Array
    targets: Array
    trained: int
    held: int
    is_classes: bool


def _digits() -> _Data:
    """The share of digits that are taken for another one."""
    from sklearn.datasets import load_digits

    X, y = _shuffled(*load_digits(return_X_y=True))
    return _Data(X / 16.0, np.eye(10, dtype=np.float32)[y.astype(int)], 500, 1000, is_classes=True)


def _pictures() -> _Data:
    """The mean squared error of pictures of digits that went through all layers."""
    digits = _digits()
    return replace(digits, targets=digits.X, is_classes=False)


def _cancer() -> _Data:
    """The share of tumours that are taken for the other kind."""
    from sklearn.datasets import load_breast_cancer

    X, y = _shuffled(*load_breast_cancer(return_X_y=True))
    return _Data(_standardised(X), np.eye(2, dtype=np.float32)[y.astype(int)], 250, 319, is_classes=True)


def _diabetes() -> _Data:
    """The mean squared error of a disease's progression, of which the variance is 1."""
    from sklearn.datasets import load_diabetes

    X, y = _shuffled(*load_diabetes(return_X_y=True))
    return _Data(_standardised(X), _standardised(y[:, None]), 221, 221, is_classes=False)


def _shuffled(X: Array, y: Array) -> tuple[Array, Array]:
    order = np.random.default_rng(0).permutation(len(y))
    return X[order].astype(np.float32), y[order].astype(np.float32)


def _standardised(X: Array) -> Array:
    return np.asarray((X - X.mean(axis=0)) / X.std(axis=0))


DATA = {"digits": _digits, "pictures": _pictures, "cancer": _cancer, "diabetes": _diabetes}


class TrainedCurves:
    """Networks that are trained as far as they are asked for, and go on from there when asked again.

    Args:
        data: one of DATA, which say what a value is.
    """

    def __init__(self, data: str) -> None:
        made = DATA[data]()
        self._is_classes = made.is_classes
        self._networks: dict[tuple[object, ...], _Network] = {}
        self._values: dict[tuple[object, ...], list[float]] = {}
        self._trained = (made.X[: made.trained], made.targets[: made.trained])
        self._held = (made.X[-made.held :], made.targets[-made.held :])

    def value(self, configuration: Mapping[str, object], step: int) -> float:
        """After that many epochs, one of RUNGS."""
        key = tuple(configuration[name] for name in SPACE)
        values = self._values.setdefault(key, [])
        while len(values) < step:
            network = self._networks.get(key) or self._made(configuration)
            self._networks[key] = network
            network.train(*self._trained)
            values.append(np.nan if len(values) + 1 not in RUNGS else self._error(network))
        if step == EPOCHS:
            self._networks.pop(key, None)
        return values[step - 1]

    def _made(self, configuration: Mapping[str, object]) -> _Network:
        ends = (self._trained[0].shape[1], self._trained[1].shape[1])
        widths = [int(str(configuration["units"]))] * int(str(configuration["layers"]))
        return _Network((ends[0], *widths, ends[1]), configuration, is_classes=self._is_classes)

    def _error(self, network: _Network) -> float:
        X, targets = self._held
        with np.errstate(all="ignore"):
            found = network.outputs(X)[-1]
            if self._is_classes:
                return float(np.mean(found.argmax(axis=1) != targets.argmax(axis=1)))
            error = float(np.mean((found - targets) ** 2))
        return min(error, WORST) if np.isfinite(error) else WORST


class _Network:
    """Layers with rectified units, trained by gradient steps with momentum; one seed for all."""

    def __init__(self, widths: Sequence[int], chosen: Mapping[str, Any], *, is_classes: bool) -> None:
        self._random = np.random.default_rng(0)
        self._chosen, self._is_classes = chosen, is_classes
        shapes = list(pairwise(widths))
        self._W = [self._random.normal(0.0, np.sqrt(2.0 / a), (a, b)).astype(np.float32) for a, b in shapes]
        self._b = [np.zeros(b, np.float32) for _, b in shapes]
        self._velocities = [np.zeros_like(one) for one in (*self._W, *self._b)]

    def outputs(self, X: Array) -> list[Array]:
        """Of each layer, the data first; the last one is linear."""
        found, last = [X], len(self._W) - 1
        for place, (W, b) in enumerate(zip(self._W, self._b, strict=True)):
            out = found[-1] @ W + b
            found.append(out if place == last else np.maximum(out, 0.0))
        return found

    def train(self, X: Array, targets: Array) -> None:
        """One epoch."""
        size = int(self._chosen["batch"])
        order = self._random.permutation(len(X))
        with np.errstate(all="ignore"):  # some diverge
            for begin in range(0, len(X), size):
                part = order[begin : begin + size]
                self._step(X[part], targets[part])

    def _step(self, X: Array, targets: Array) -> None:
        outs = self.outputs(X)
        error = outs[-1]
        if self._is_classes:
            error = np.exp(error - error.max(axis=1, keepdims=True))
            error /= error.sum(axis=1, keepdims=True)
        error = (error - targets) / np.float32(len(X))
        slopes_W: list[Array] = []
        slopes_b: list[Array] = []
        for place in range(len(self._W) - 1, -1, -1):
            slopes_W.insert(0, outs[place].T @ error + np.float32(self._chosen["decay"]) * self._W[place])
            slopes_b.insert(0, error.sum(axis=0))
            if place:
                error = (error @ self._W[place].T) * (outs[place] > 0)
        lr, kept = np.float32(self._chosen["lr"]), np.float32(1.0 - float(str(self._chosen["slowness"])))
        parameters = [*self._W, *self._b]
        for one, velocity, slope in zip(parameters, self._velocities, [*slopes_W, *slopes_b], strict=True):
            velocity *= kept
            velocity -= lr * slope
            one += velocity
