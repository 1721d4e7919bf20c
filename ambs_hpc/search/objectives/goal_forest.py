"""One forest for all objectives and constraints: its trees split for all of them, its leaves hold each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.forest import Growth, Timetable, first_model, grown_by, grown_nodes, training_rows
from ambs_hpc.search.history import History
from ambs_hpc.search.leaf_tables import LeafTables, Places
from ambs_hpc.search.objectives.goal_scales import GoalScales, fit_goal_scales
from ambs_hpc.search.objectives.measures import Front, Measures
from ambs_hpc.search.streams import Stream, generator


@dataclass(frozen=True, slots=True)
class _GoalTree:
    nodes: Any  # scikit-learn's Tree
    due: int  # observations it was grown at


class GoalForest:
    """The surrogate of all measures of a history; call `update` before each use, `grow` before predictions.

    Most proposals need scales and front alone, so that trees are grown and filled when they are asked.
    """

    def __init__(self, growth: Growth, encoding: Encoding, measures: Measures, seed: int) -> None:
        self._growth, self._encoding, self._measures, self._seed = growth, encoding, measures, seed
        self.front = Front(measures)
        self._reset(0)

    @property
    def is_grown(self) -> bool:
        """Whether there were enough successes to learn from."""
        return bool(self._due)

    @property
    def first_count(self) -> int:
        """Observations at which the first trees grew."""
        return self._first_count

    @property
    def scales(self) -> GoalScales:
        """Those at which the newest tree is due; predictions are on them."""
        return self._scales[max(self._due)]

    def update(self, history: History) -> None:
        """Front and scales are those of all observations of the history."""
        if history.generation != self._generation:
            self._reset(history.generation)
        self.front.update(history)
        if history.count > self._count:
            self._look(history)

    def grow(self, history: History) -> None:
        """The trees and leaves contain all observations of the history, which it was updated with."""
        if self._due and self._entered < self._count:
            self._learn(history)

    def places(self, V: Floats) -> Places:
        """(t, n) the leaf of each row in each tree."""
        X = self._encoding.features(V)
        return np.stack(
            [tree.nodes.apply(X) + i * self._tables[0].room for i, tree in enumerate(self._trees)]
        )

    def predict(self, places: Places) -> tuple[Floats, Floats]:
        """Means and standard deviations on the scales, each (n, m + k)."""
        found = [table.predict(places) for table in self._tables]
        return np.stack([mean for mean, _ in found], axis=1), np.stack([std for _, std in found], axis=1)

    def failure_rate(self, places: Places) -> Floats:
        """(n,) probability that an evaluation fails."""
        return self._tables[0].failure_rate(places, self._failures / self._count)

    def infeasible_rate(self, places: Places) -> Floats:
        """(n,) share of those that broke a constraint in the leaves, of all that ended."""
        return self._tables[-1].failure_rate(places, self._infeasible / self._count)

    def _reset(self, generation: int) -> None:
        self._generation, self._count, self._first_count = generation, 0, 0
        self._failures = self._infeasible = 0
        self._entered = 0  # observations in the leaves
        self._due: list[int] = []
        self._scales: dict[int, GoalScales] = {}  # by the observations that they are of
        self._trees: list[_GoalTree] = []
        self._timetable = Timetable(self._growth.trees, self._growth.refresh)
        self._tables = [
            LeafTables(self._growth.trees)
            for _ in range(self._measures.objectives + self._measures.constraints)
        ]
        self._X = np.zeros((0, 0), dtype=np.float32)

    def _look(self, history: History) -> None:
        self._count, failed = history.count, np.isnan(history.objectives)
        self._failures = int(failed.sum())
        self._infeasible = int(self._broken(history.measures).sum())
        if not self._due:
            enough = first_model(~failed, self._growth.first)
            if enough is None:
                return
            self._first_count = enough
            self._timetable.start(enough)
        self._due = self._timetable.due(self._count)
        self._scales = {count: one for count, one in self._scales.items() if count in self._due}
        self._scales_at(max(self._due), history.measures)

    def _scales_at(self, count: int, M: Floats) -> GoalScales:
        if count not in self._scales:
            self._scales[count] = fit_goal_scales(self._measures, self._growth.transform, M[:count])
        return self._scales[count]

    def _learn(self, history: History) -> None:
        before, self._entered = self._entered, self._count
        M, failed, due = history.measures, np.isnan(history.objectives), self._due
        broken = self._broken(M)
        self._X = grown_by(self._X, self._encoding.features(history.rows[before:]), before)
        new = [i for i in range(len(due)) if not self._trees or self._trees[i].due != due[i]]
        targets = {count: self._scales_at(count, M).targets(M) for count in {due[i] for i in new}}
        grown = {i: self._grown(i, due[i], targets[due[i]], M) for i in new}
        self._trees = [grown[i] if i in grown else self._trees[i] for i in range(len(due))]
        most = max(tree.nodes.node_count for tree in self._trees)
        if sum(table.reserve(most) for table in self._tables):  # all of them
            new = list(range(len(due)))
        for i in new:
            due_at = self._trees[i].due
            if due_at not in targets:
                targets[due_at] = self._scales[due_at].targets(M)
            self._fill(i, targets[due_at], (failed.astype(float), broken))
        kept = [i for i in range(len(due)) if i not in new]
        if kept:
            self._observe(kept, M[before:], (failed[before:].astype(float), broken[before:]))

    def _grown(self, index: int, due: int, T: Floats, M: Floats) -> _GoalTree:
        rng = generator(self._seed, Stream.GOAL_GROWTH, index, due)
        rows = training_rows(rng, M[:due, index % self._measures.objectives], self._growth.training_rows)
        return _GoalTree(grown_nodes(self._growth, rng, self._X[rows], T[rows]), due)

    def _fill(self, i: int, T: Floats, flags: tuple[Floats, Floats]) -> None:
        """Put all observations into the leaves of a tree, in place of those that it has.

        Args:
            T: (n, m + k) their targets.
            flags: whether each failed, and whether it broke a constraint, (n,) each.
        """
        nodes = self._trees[i].nodes.apply(self._X[: self._count])
        for j, table in enumerate(self._tables):
            table.clear(i)
            table.fill(i, nodes, T[:, j], self._flag(j, flags))

    def _observe(self, kept: list[int], M: Floats, flags: tuple[Floats, Floats]) -> None:
        """Put the newest observations into the leaves of trees, each on its own scales; all trees at once."""
        trees = [self._trees[i] for i in kept]
        X = self._X[self._count - len(M) : self._count]
        scaled = {count: self._scales[count].targets(M) for count in {tree.due for tree in trees}}
        T = np.concatenate([scaled[tree.due] for tree in trees])
        starts = [i * self._tables[0].room for i in kept]
        places = [tree.nodes.apply(X) + start for tree, start in zip(trees, starts, strict=True)]
        for j, table in enumerate(self._tables):
            flag = np.tile(self._flag(j, flags), len(kept))
            table.observe(np.concatenate(places), T[:, j], flag)

    def _flag(self, j: int, flags: tuple[Floats, Floats]) -> Floats:
        """What column j counts: who broke a constraint in the last of a constraint, else who failed."""
        return flags[1] if self._measures.constraints and j == len(self._tables) - 1 else flags[0]

    def _broken(self, M: Floats) -> Floats:
        """(n,) 1 where a constraint is known to be broken."""
        return (self._measures.excess(M) > 0.0).any(axis=1).astype(float)
