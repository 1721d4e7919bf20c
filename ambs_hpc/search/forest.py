"""Regression trees with open leaves: results and lies update the leaves of grown trees in place.

Single trees come from scikit-learn, which only this file imports. Each tree is grown again in turn, at
fixed numbers of observations and from a random stream of its own, so that the forest is a function of
the history alone, however its changes were batched.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.search.constant_liar import lies_on
from ambs_hpc.search.constraints import Floats, Mask
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.history import History
from ambs_hpc.search.leaf_tables import LeafTables, Places
from ambs_hpc.search.objective_transform import Scale, fit_scale
from ambs_hpc.search.pending_features import PendingFeatures
from ambs_hpc.search.streams import Stream, generator

LEAST_SUCCESSES = 2  # before the first tree
FEASIBILITY_TREES = 8  # failure rates vary less between trees than values do


def load_trees() -> None:
    """Import scikit-learn: a third of a second, or many seconds from a busy parallel file system."""
    import_module("sklearn.tree")


@dataclass(frozen=True, slots=True)
class Growth:
    """How the forest is grown.

    Args:
        tree: "extra" (random thresholds) or "random" (best thresholds on a bootstrap sample).
        trees: number of trees, >= 1.
        min_leaf: observations in a leaf at growth, >= 1.
        refresh: share of new observations after which every tree has been grown again, > 0.
        training_rows: a tree is grown on at most so many observations; its leaves count all.
        transform: transform of the objective, see `objective_transform.TRANSFORMS`.
        lie: lie for pending proposals, see `constant_liar.LIES`.
        first: completions before the first tree, >= 1; two of them are successes.
    """

    tree: str
    trees: int
    min_leaf: int
    refresh: float
    training_rows: int
    transform: str
    lie: str
    first: int


@dataclass(frozen=True, slots=True)
class _Tree:
    nodes: Any  # scikit-learn's Tree
    due: int  # observations it was grown at
    scale: Scale


class Forest:
    """The surrogate of a history: call `update` before each use, `update_lies` before predictions."""

    def __init__(self, growth: Growth, encoding: Encoding, seed: int) -> None:
        self._growth, self._encoding, self._seed = growth, encoding, seed
        self._reset(0)

    @property
    def is_grown(self) -> bool:
        """Whether there were enough successes to learn from."""
        return bool(self._trees)

    @property
    def first_count(self) -> int:
        """Observations at which the first trees grew."""
        return self._first_count

    @property
    def newest(self) -> int:
        """Observations at which the newest tree grew."""
        return max(tree.due for tree in self._trees)

    @property
    def scale(self) -> Scale:
        """The newest tree's scale of the objective; predictions are on it."""
        return max(self._trees, key=lambda tree: tree.due).scale

    def update(self, history: History) -> None:
        """The trees and leaves contain all observations of the history."""
        if history.generation != self._generation:
            self._reset(history.generation)
        if history.count > self._count:
            self._learn(history)

    def update_lies(self, history: History) -> None:
        """The leaves contain the lies of what is pending; predictions need them, failure rates do not."""
        if self._growth.lie == "none":
            return
        gone = self._pending.release(history)
        if len(gone):
            places, values = self._lie_places[:, gone], self._lie_values[:, gone]
            self._tables.lie(places.ravel(), values.ravel(), -1.0)
        new = self._pending.take(history)
        self._make_room_for_lies()
        for i in range(len(self._trees)):
            self._lie(i, new)

    def places(self, V: Floats) -> Places:
        """(t, n) the leaf of each row in each tree."""
        return self._places(self._encoding.features(V), len(self._trees))

    def predict(self, places: Places) -> tuple[Floats, Floats]:
        """Mean and standard deviation on the scale, each (n,)."""
        return self._tables.predict(places)

    def failure_rate(self, V: Floats) -> Floats:
        """(n,) probability that an evaluation fails, from a few of the trees."""
        places = self._places(self._encoding.features(V), FEASIBILITY_TREES)
        return self._tables.failure_rate(places, self._failures / self._count)

    def _reset(self, generation: int) -> None:
        self._generation, self._count, self._failures = generation, 0, 0
        self._first_count = 0
        self._trees: list[_Tree] = []
        self._timetable = Timetable(self._growth.trees, self._growth.refresh)
        self._tables = LeafTables(self._growth.trees)
        self._X = np.zeros((0, 0), dtype=np.float32)
        self._pending = PendingFeatures(self._encoding.features)
        self._lie_places: Places = np.zeros((self._growth.trees, 0), dtype=np.intp)
        self._lie_values: Floats = np.zeros((self._growth.trees, 0))

    def _learn(self, history: History) -> None:
        before, self._count, self._failures = self._count, history.count, history.failures
        self._X = grown_by(self._X, self._encoding.features(history.rows[before:]), before)
        y = history.objectives
        if not self._trees:
            enough = first_model(np.isfinite(y), self._growth.first)
            if enough is None:
                return
            self._first_count = enough
            self._timetable.start(enough)
        due = self._timetable.due(self._count)
        scales = {tree.due: tree.scale for tree in self._trees}
        scales.update({c: self._fit(y[:c]) for c in set(due) - scales.keys()})
        kept = [i for i, tree in enumerate(self._trees) if tree.due == due[i]]
        new = [i for i in range(len(due)) if i not in kept]
        self._trees = [
            self._trees[i] if i in kept else self._grown(i, due[i], scales[due[i]], y)
            for i in range(len(due))
        ]
        if self._tables.reserve(max(tree.nodes.node_count for tree in self._trees)):
            kept, new = [], list(range(len(due)))
        for i in kept:
            self._observe(i, y, before)
        for i in new:
            self._fill(i, y)
            self._lie(i, self._pending.used)

    def _fit(self, y: Floats) -> Scale:
        return fit_scale(self._growth.transform, y[np.isfinite(y)])

    def _grown(self, index: int, due: int, scale: Scale, y: Floats) -> _Tree:
        rng = generator(self._seed, Stream.GROWTH, index, due)
        rows = training_rows(rng, y[:due], self._growth.training_rows)
        return _Tree(grown_nodes(self._growth, rng, self._X[rows], scale.forward(y[rows])), due, scale)

    def _fill(self, i: int, y: Floats) -> None:
        tree = self._trees[i]
        self._tables.clear(i)
        nodes = tree.nodes.apply(self._X[: self._count])
        self._tables.fill(i, nodes, tree.scale.forward(y), np.isnan(y).astype(float))

    def _observe(self, i: int, y: Floats, before: int) -> None:
        tree = self._trees[i]
        places = tree.nodes.apply(self._X[before : self._count]) + i * self._tables.room
        self._tables.observe(places, tree.scale.forward(y[before:]), np.isnan(y[before:]).astype(float))

    def _places(self, X: NDArray[np.float32], trees: int) -> Places:
        places = np.empty((min(trees, len(self._trees)), len(X)), dtype=np.intp)
        for i, tree in enumerate(self._trees[:trees]):
            np.add(tree.nodes.apply(X), i * self._tables.room, out=places[i])
        return places

    def _lie(self, i: int, slots: Places) -> None:
        """Put the lies of `slots` into tree i."""
        tree, pending = self._trees[i], self._pending
        if not len(slots):
            return
        nodes = tree.nodes.apply(pending.X[slots])
        leaf_means = tree.nodes.value[nodes, 0, 0]
        values = lies_on(tree.scale, self._growth.lie, pending.means[slots], leaf_means)
        self._lie_places[i, slots] = nodes + i * self._tables.room
        self._lie_values[i, slots] = values
        self._tables.lie(self._lie_places[i, slots], values, 1.0)

    def _make_room_for_lies(self) -> None:
        old = self._lie_places.shape[1]
        if self._pending.size > old:
            more = ((0, 0), (0, self._pending.size - old))
            self._lie_places = np.pad(self._lie_places, more)
            self._lie_values = np.pad(self._lie_values, more)


def first_model(succeeded: Mask, first: int) -> int | None:
    """Observations at which there was first enough for a model; None while there is not.

    A model pays with two values; what fails tells it where not to look.

    Args:
        succeeded: (n,) of all that have ended, as told.
        first: completions that it takes, >= 1.
    """
    successes, completions = np.cumsum(succeeded), np.arange(1, len(succeeded) + 1)
    enough = np.flatnonzero((successes >= min(LEAST_SUCCESSES, first)) & (completions >= first))
    return int(enough[0]) + 1 if len(enough) else None


def grown_by(X: NDArray[np.float32], new: NDArray[np.float32], before: int) -> NDArray[np.float32]:
    """Room with `new` (n, f) after the first `before` rows of X."""
    if before + len(new) > len(X):
        room = np.zeros((2 * (before + len(new)), new.shape[1]), dtype=np.float32)
        if before:
            room[:before] = X[:before]
        X = room
    X[before : before + len(new)] = new
    return X


def grown_nodes(growth: Growth, rng: np.random.Generator, X: NDArray[np.float32], T: Floats) -> Any:
    """Scikit-learn's Tree, grown on rows `X` (n, f) and one target each, or several (n, q)."""
    from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor

    weights = None
    if growth.tree == "random":
        weights = np.bincount(rng.integers(len(X), size=len(X)), minlength=len(X)).astype(float)
    kind = DecisionTreeRegressor if growth.tree == "random" else ExtraTreeRegressor
    tree = kind(min_samples_leaf=growth.min_leaf, random_state=int(rng.integers(2**31)))
    tree.fit(X, T, sample_weight=weights, check_input=False)
    return tree.tree_


class Timetable:
    """When trees are grown again, in observations: one tree at a time, in turn, more and more rarely."""

    def __init__(self, trees: int, refresh: float) -> None:
        self._trees, self._refresh = trees, refresh
        self._due: list[int] = []
        self._turn = self._next = 0

    def start(self, count: int) -> None:
        """All trees are due at `count` observations."""
        self._due = [count] * self._trees
        self._next = count + self._step(count)

    def due(self, count: int) -> list[int]:
        """For each tree the last number of observations, up to `count`, at which it was due."""
        while self._next <= count:
            self._due[self._turn] = self._next
            self._turn = (self._turn + 1) % self._trees
            self._next += self._step(self._next)
        return list(self._due)

    def _step(self, count: int) -> int:
        return max(1, round(self._refresh * count / self._trees))


def training_rows(rng: np.random.Generator, y: Floats, limit: int) -> NDArray[np.intp]:
    """All observations, or the best quarter, the newest quarter and a random half of `limit`."""
    if len(y) <= limit:
        return np.arange(len(y))
    quarter = limit // 4
    best = np.argpartition(np.where(np.isnan(y), np.inf, y), quarter)[:quarter]
    chosen = np.zeros(len(y), dtype=np.bool_)
    chosen[best] = True
    chosen[-quarter:] = True
    others = np.flatnonzero(~chosen)
    chosen[rng.choice(others, size=limit - int(chosen.sum()), replace=False)] = True
    return np.flatnonzero(chosen)
