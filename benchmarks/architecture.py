"""Architecture and hyperparameters together, against hyperparameters alone; ensembles against one member.

    python benchmarks/architecture.py FOLDER [--seeds 5] [--evaluations 60] [--at-once 4]

The networks of examples/architecture_digits: with the architecture searched too, with a fixed one, and with
the architecture searched by random guesses. Every search has the same number of evaluations, of which
several run at once: the search learns a result when the processor time of the training is over, as a launcher
would tell it. FOLDER keeps what every evaluation predicted; a run that was stopped goes on. Of each search:
log loss on the validation images, which is searched, and on test images of its best configuration and of an
ensemble of at most five that `ambs ensemble` would select; the mean over the seeds with its standard error,
and that of the differences between searches, and between ensemble and members, of the same seed.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).parents[1])  # not this folder, whose queue.py is not the library's
sys.path.append(str(Path(__file__).parents[1] / "examples" / "architecture_digits"))

import benchmarks.one_thread  # noqa: F401, I001  before numpy
import numpy as np

from ambs_hpc.api.kept_files.predictions_file import read_predictions
from ambs_hpc.insight.ensemble_selection import select_ensemble
from ambs_hpc.insight.prediction_metrics import METRICS
from ambs_hpc.records import Observation
from ambs_hpc.search import create_searcher

SEARCHES = {
    "architecture": ("train", "ambs"),
    "two layers": ("train_two_layers", "ambs"),
    "architecture, random": ("train", "random"),
}
FILE = "predictions.npz"
SIZE = 5  # members of an ensemble, at most


def main() -> None:
    """Run what is missing in the folder, then print all."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--evaluations", type=int, default=60)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--json", action="store_true", help="a line for each search")
    given = parser.parse_args()
    given.folder = given.folder.absolute()
    found: dict[str, np.ndarray] = {}
    for name in SEARCHES:
        rows = []
        for seed in range(given.seeds):
            folder = given.folder / name.replace(", ", "-").replace(" ", "-") / str(seed)
            if not (folder / "objectives.json").exists():
                search(name, seed, folder, given)
            rows.append(measured(folder))
            if given.json:
                print(json.dumps({"search": name, "seed": seed, **rows[-1]}), flush=True)
        found[name] = np.array([list(row.values()) for row in rows])
        names = list(rows[0])
    if not given.json:
        show(found, names)


def search(name: str, seed: int, folder: Path, given: argparse.Namespace) -> None:
    """One search; its evaluations' predictions and objectives are in the folder afterwards."""
    import fixed_problem
    import model
    import problem

    function, method = SEARCHES[name]
    stated = (problem if function == "train" else fixed_problem).problem
    starting_points = list(stated.starting_points)
    searcher = create_searcher(stated.space, method=method, seed=seed)
    objectives: list[float] = []
    running: list[tuple[float, int, Observation]] = []
    now, own_seconds = 0.0, 0.0
    for number in range(given.evaluations):
        if len(running) == given.at_once:
            now, _, ended = heapq.heappop(running)
            searcher.tell([ended])
        begun = time.process_time()
        asked = starting_points.pop() if starting_points else searcher.ask(1)[0].configuration
        own_seconds += time.process_time() - begun
        place = folder / f"{number:03d}"
        place.mkdir(parents=True, exist_ok=True)
        os.chdir(place)
        begun = time.process_time()
        objectives.append(getattr(model, function)(asked)["objective"])
        seconds = time.process_time() - begun
        heapq.heappush(running, (now + seconds, number, Observation(asked, objectives[-1])))
    told = {"objectives": objectives, "search_ms": 1e3 * own_seconds / given.evaluations}
    (folder / "objectives.json").write_text(json.dumps(told))


def measured(folder: Path) -> dict[str, float]:
    """The best configuration's and the ensemble's losses and accuracies."""
    told: Mapping[str, Any] = json.loads((folder / "objectives.json").read_text())
    order = np.argsort(told["objectives"], kind="stable")
    read = [read_predictions(folder / f"{number:03d}" / FILE) for number in order]
    loss, accuracy = METRICS["log_loss"], METRICS["accuracy"]
    chosen = select_ensemble([one.validation for one in read], read[0].validation_labels, loss, SIZE)
    test, labels = [one.test for one in read], read[0].test_labels
    mixed = sum(weight * test[member] for member, weight in chosen.weights.items())
    best_member = min(chosen.weights)  # the order is by validation loss
    return {
        "validation": told["objectives"][order[0]],
        "test": loss.score(test[best_member], labels),
        "accuracy": accuracy.score(test[best_member], labels),
        "ensemble": loss.score(mixed, labels),
        "its accuracy": accuracy.score(mixed, labels),
        "best member": min(loss.score(test[member], labels) for member in chosen.weights),
        "members": len(chosen.weights),
        "search_ms": told["search_ms"],
    }


def show(found: Mapping[str, np.ndarray], names: list[str]) -> None:
    """Means over the seeds with their standard errors."""
    print(f"{'':34}" + "".join(f"{name:>19}" for name in names))
    rows = dict(found)
    first, second = list(found)[:2]
    rows[f"{first} - {second}"] = found[first] - found[second]
    for name, values in rows.items():
        print_row(name, values)
    print("\nensemble - member that is best on validation, - member that is best on test:")
    for name, values in found.items():
        others = values[:, [names.index("test"), names.index("best member")]]
        print_row(name, values[:, [names.index("ensemble")]] - others)


def print_row(name: str, values: np.ndarray) -> None:
    """Of values (seeds, columns)."""
    means, errors = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))
    cells = (f"{mean:.4f} +- {error:.4f}" for mean, error in zip(means, errors, strict=True))
    print(f"{name:34}" + "".join(f"{one:>19}" for one in cells))


if __name__ == "__main__":
    main()
