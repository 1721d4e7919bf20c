"""Train a network on handwritten digits; its architecture and its hyperparameters are searched together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from network import Network, Stem
from sklearn.datasets import load_digits

from ambs_hpc.spaces import Architecture, Cell, CellGraph

HYPERPARAMETERS = {
    "learning_rate": (1e-4, 1e-1, "log"),
    "batch_size": (16, 256, "log"),
    "decay": (1e-6, 1e-1, "log"),
    "dropout": (0.0, 0.6),
}
ARCHITECTURE = Architecture(
    {
        **HYPERPARAMETERS,
        "stem": {"pixels": {}, "filters": {"filters": (4, 24, "log")}},  # the second kind has a number
        "cell": Cell(1, 4, {"units": (16, 128, "log"), "activation": ["relu", "tanh"]}, longest_skip=3),
    }
)
# What a person would take, where only the hyperparameters are searched.
TWO_LAYERS = {"stem": "pixels", "cell": CellGraph([{"units": 64, "activation": "relu"}] * 2)}
EPOCHS = 30


def train(configuration: Mapping[str, float | int | str]) -> dict[str, float]:
    """The objective of `problem.py`: log loss on validation images; predictions stay in predictions.npz."""
    return measure(ARCHITECTURE.decode(configuration))


def train_two_layers(configuration: Mapping[str, float | int | str]) -> dict[str, float]:
    """The objective of `fixed_problem.py`: the same with a fixed architecture."""
    return measure({**configuration, **TWO_LAYERS})


def measure(values: Mapping[str, object]) -> dict[str, float]:
    """Train on 1000 images, measure on 400, and leave what is said of these and of 397 others."""
    digits = load_digits()
    images, labels = digits.images / 16.0, digits.target
    training, validation, test = np.split(np.random.default_rng(0).permutation(len(images)), [1000, 1400])
    network = build(values)
    for _ in network.fit(
        images[training],
        labels[training],
        epochs=EPOCHS,
        **{name: values[name] for name in HYPERPARAMETERS},
    ):
        pass
    said = {
        "validation": network.probabilities(images[validation]),
        "test": network.probabilities(images[test]),
    }
    # In the evaluation's own folder, where it works: `ambs ensemble` finds it there.
    np.savez(
        "predictions.npz",
        **{name: values.astype(np.float32) for name, values in said.items()},
        validation_labels=labels[validation],
        test_labels=labels[test],
    )
    right = said["validation"][np.arange(len(validation)), labels[validation]]
    return {
        "objective": float(-np.log(np.maximum(right, 1e-7)).mean()),
        "accuracy": float((said["validation"].argmax(axis=1) == labels[validation]).mean()),
        "test_accuracy": float((said["test"].argmax(axis=1) == labels[test]).mean()),
    }


def build(values: Mapping[str, object]) -> Network:
    """The network of decoded values."""
    rng = np.random.default_rng(0)
    cell = values["cell"]
    return Network(
        rng,
        Stem(rng, side=8, filters=values.get("filters", 0)),
        cell.inputs,
        [node["units"] for node in cell.nodes],
        [node["activation"] for node in cell.nodes],
        classes=10,
    )
