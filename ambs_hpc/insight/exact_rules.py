"""Conditions that some failures share and no success has: they make a rule exact, or are a suspicion.

A few failures are enough to see what they share, and too few to be sure of it. Of several such sets of
conditions the one is taken that would be the most surprising if nothing depended on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import log, log1p, prod

import numpy as np

from ambs_hpc.insight.rule_conditions import Literal, Rows, RuleColumn, activities, log_tried

MOST_SHARED = 30  # conditions that are combined, the most surprising ones


def exact_literals(
    columns: Sequence[RuleColumn], failing: Rows, others: Rows, sizes: Sequence[int]
) -> list[Literal]:
    """Conditions that hold together for all of the failing rows and for none of the others; [] for none.

    Args:
        failing, others: rows, at least one each.
        sizes: numbers of conditions that are tried.
    """

    def how_surprising(some: Sequence[Literal]) -> float:
        return surprise(some, columns, len(failing), len(others))

    shared = _shared(columns, failing, np.concatenate([failing, others]))
    ranked = sorted(shared, key=lambda one: -how_surprising([one]))[:MOST_SHARED]
    holds = [one.holds(columns, others) for one in ranked]
    exact = [
        [ranked[place] for place in places]
        for size in sizes
        for places in combinations(range(len(ranked)), size)
        if not np.logical_and.reduce([holds[place] for place in places]).any()
    ]
    return max(exact, key=how_surprising, default=[])


def surprise(some: Sequence[Literal], columns: Sequence[RuleColumn], failed: int, succeeded: int) -> float:
    """How surprising it is that conditions hold for so many failures and for none of so many successes.

    Returns:
        Nats, less what was tried: below zero it is no surprise. The conditions are taken to be independent
        of each other, each as frequent as it is among all compared evaluations.
    """
    every = np.arange(len(columns[0].values))
    share = prod(float(np.mean(one.holds(columns, every))) for one in some)
    share = min(share, 1.0 - 1e-9)
    return -failed * log(share) - succeeded * log1p(-share) - log_tried(some, columns)


def _shared(columns: Sequence[RuleColumn], failing: Rows, rows: Rows) -> list[Literal]:
    """The conditions that all of the failing rows have, and not all rows."""
    found: list[Literal] = []
    for j, column in enumerate(columns):
        x = column.values[failing]
        if np.isnan(x).any():
            continue
        if column.is_ordered:
            found += [Literal(j, ">=", float(x.min())), Literal(j, "<=", float(x.max()))]
        elif (x == x[0]).all():
            found.append(Literal(j, "=", float(x[0])))
        else:
            values = np.unique(column.values[rows])
            found += [Literal(j, "!=", float(one)) for one in values if one not in x and one == one]
    found += activities(found, columns, rows)
    return [one for one in found if one.holds(columns, failing).all() and not one.holds(columns, rows).all()]
