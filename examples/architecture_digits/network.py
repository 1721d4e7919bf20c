"""A small classifier in NumPy: a stem that looks at the pixels, then a cell of dense nodes, and Adam."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

PATCH = 3  # pixels, the side of the stem's filters
ACTIVATIONS = {
    "relu": (lambda z: np.maximum(z, 0.0), lambda a: (a > 0.0).astype(a.dtype)),
    "tanh": (np.tanh, lambda a: 1.0 - a * a),
}  # and the derivative by what the activation gave


class Stem:
    """The pixels as they are (filters=0), or filters moved over the image, each with its maximum of 2 x 2."""

    def __init__(self, rng: np.random.Generator, side: int, filters: int = 0) -> None:
        self.filters = filters
        self.weights = (
            [rng.normal(0.0, np.sqrt(2.0) / PATCH, (PATCH * PATCH + 1, filters))] if filters else []
        )
        self.width = ((side - PATCH + 1) // 2) ** 2 * filters if filters else side * side

    def forward(self, images: np.ndarray) -> np.ndarray:
        """(n, width) of images (n, side, side)."""
        if not self.filters:
            return images.reshape(len(images), -1)
        patches = sliding_window_view(images, (PATCH, PATCH), axis=(1, 2))
        self.patches = with_ones(patches.reshape(*patches.shape[:3], -1))  # (n, 6, 6, 10)
        maps = np.maximum(self.patches @ self.weights[0], 0.0)
        self.blocks = maps.reshape(len(maps), maps.shape[1] // 2, 2, maps.shape[2] // 2, 2, self.filters)
        self.tops = self.blocks.max(axis=(2, 4), keepdims=True)
        return self.tops.reshape(len(images), -1)

    def backward(self, gradient: np.ndarray) -> list[np.ndarray]:
        """Gradients of the weights."""
        if not self.filters:
            return []
        where = (self.blocks == self.tops) & (self.blocks > 0.0)
        spread = (where * gradient.reshape(self.tops.shape)).reshape(-1, self.filters)
        return [self.patches.reshape(len(spread), -1).T @ spread]


class Network:
    """A stem, then nodes that each get the outputs of those that lead to it, side by side; then softmax.

    Args:
        inputs: for each node the numbers of those whose outputs it gets; 0 is the stem.
        units, activations: of each node.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        stem: Stem,
        inputs: list[list[int]],
        units: list[int],
        activations: list[str],
        classes: int,
    ) -> None:
        self.rng, self.stem, self.inputs = rng, stem, inputs
        self.functions = [ACTIVATIONS[name] for name in activations]
        self.widths = [stem.width, *units]
        sizes = [
            (sum(self.widths[i] for i in sources), out) for sources, out in zip(inputs, units, strict=True)
        ]
        sizes.append((self.widths[-1], classes))
        dense = [with_bias(rng.normal(0.0, np.sqrt(2.0 / fan_in), (fan_in, out))) for fan_in, out in sizes]
        self.weights = [*stem.weights, *dense]

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """(n, classes) for images (n, side, side)."""
        return self._forward(images, 0.0)[-1]

    def fit(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        *,
        epochs: int,
        learning_rate: float,
        batch_size: int,
        decay: float,
        dropout: float,
    ) -> Iterator[int]:
        """Train; yields the number of each epoch after it."""
        first = [np.zeros_like(w) for w in self.weights]
        second = [np.zeros_like(w) for w in self.weights]
        targets = np.eye(self.weights[-1].shape[1])[labels]
        step = 0
        for epoch in range(epochs):
            rate = learning_rate * (1.0 - epoch / epochs)
            for rows in np.array_split(self.rng.permutation(len(images)), max(len(images) // batch_size, 1)):
                step += 1
                gradients = self._gradients(images[rows], targets[rows], dropout)
                for w, g, m, v in zip(self.weights, gradients, first, second, strict=True):
                    m += 0.1 * (g - m)
                    v += 0.001 * (g * g - v)
                    scaled = m / (1 - 0.9**step) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
                    w -= rate * (scaled + decay * w)
            yield epoch

    def _forward(self, images: np.ndarray, dropout: float) -> list[np.ndarray]:
        outputs = [self.stem.forward(images)]
        self.seen, self.masks = [], []
        dense = self.weights[len(self.stem.weights) :]
        for sources, weights, (activate, _) in zip(self.inputs, dense, self.functions, strict=False):
            self.seen.append(with_ones(np.hstack([outputs[i] for i in sources])))
            mask = (self.rng.random((len(images), weights.shape[1])) >= dropout) / (1.0 - dropout)
            self.masks.append(mask if dropout else np.ones(1))
            outputs.append(activate(self.seen[-1] @ weights))
            outputs[-1] = outputs[-1] * self.masks[-1]
        self.seen.append(with_ones(outputs[-1]))
        scores = self.seen[-1] @ dense[-1]
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return [*outputs, powers / powers.sum(axis=1, keepdims=True)]

    def _gradients(self, images: np.ndarray, targets: np.ndarray, dropout: float) -> list[np.ndarray]:
        *outputs, said = self._forward(images, dropout)
        dense = self.weights[len(self.stem.weights) :]
        error = (said - targets) / len(images)
        gradients = [self.seen[-1].T @ error]
        at = [np.zeros_like(output) for output in outputs]  # the loss by each output
        at[-1] += error @ dense[-1][:-1].T
        for node in reversed(range(len(self.inputs))):
            _, derivative = self.functions[node]
            scale = np.where(self.masks[node] > 0.0, self.masks[node], 1.0)
            error = at[node + 1] * self.masks[node] * derivative(outputs[node + 1] / scale)
            gradients.append(self.seen[node].T @ error)
            back = error @ dense[node][:-1].T
            ends = np.cumsum([self.widths[i] for i in self.inputs[node]])
            for i, part in zip(self.inputs[node], np.split(back, ends[:-1], axis=1), strict=True):
                at[i] += part
        return [*self.stem.backward(at[0]), *reversed(gradients)]


def with_ones(X: np.ndarray) -> np.ndarray:
    """`X` with a last column of ones, for the bias."""
    return np.concatenate([X, np.ones((*X.shape[:-1], 1))], axis=-1)


def with_bias(weights: np.ndarray) -> np.ndarray:
    """The weights with a last row of zeros, the bias."""
    return np.vstack([weights, np.zeros((1, weights.shape[1]))])
