"""Where failures of one kind live: short rules over configurations, with what speaks for them and against.

A rule is a conjunction of a few conditions. The best one is found by trying all pairs of conditions and the
best triples, then others for the failures that it leaves (sequential covering; Clark and Niblett 1989, "The
CN2 induction algorithm"). A rule is told only if chance does not explain it, counted with all the rules that
were tried, and if rules that were found without some of the evaluations hold for these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, factorial, log

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.insight.contingency import likelihood_gains, log_p_value
from ambs_hpc.insight.rule_conditions import (
    Condition,
    Literal,
    RuleColumn,
    condition_of,
    literals_of,
    thresholds,
)
from ambs_hpc.search.constraints import Floats, Mask

LEAST_FAILURES = 3  # that a rule is looked for
MOST_RULES = 3  # of one signature
MOST_LITERALS = 3  # of one rule
CHANCE = 0.01  # a rule that chance makes more often than this is none
HELD_OUT_CHANCE = 0.05
FOLDS = 5
WIDTH = 30  # pairs that a third condition is tried with

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class FailureRule:
    """Conditions under which evaluations fail in one way.

    Args:
        conditions: all of them hold.
        failed, inside: failures, and all compared evaluations, for which they hold.
        all_failed, compared: failures and evaluations that were compared in all.
        p_value: probability that chance makes a rule as good as this one, at most, among all those tried.
        held_out_precision: of rules found without a fifth of the evaluations: the share of those inside in
            that fifth that failed. None where there are too few failures to do this.
        held_out_recall: likewise, the share of the failures in that fifth that were inside.
    """

    conditions: tuple[Condition, ...]
    failed: int
    inside: int
    all_failed: int
    compared: int
    p_value: float
    held_out_precision: float | None
    held_out_recall: float | None

    @property
    def words(self) -> str:
        """The conditions as people write them."""
        return " and ".join(one.words for one in self.conditions)

    @property
    def precision(self) -> float:
        """Share of the evaluations inside that failed."""
        return self.failed / self.inside

    @property
    def recall(self) -> float:
        """Share of the failures that are inside."""
        return self.failed / self.all_failed


def failure_rules(columns: Sequence[RuleColumn], failed: Mask) -> list[FailureRule]:
    """The rules that explain failures of one signature, the one that explains most first; often none.

    Args:
        columns: of all compared evaluations, (n,) each.
        failed: (n,) which of them failed with this signature; all others did not fail.
    """
    found: list[FailureRule] = []
    rows = np.arange(len(failed))
    all_failed = int(failed.sum())
    while len(found) < MOST_RULES and failed[rows].sum() >= LEAST_FAILURES and not failed[rows].all():
        literals = _best_rule(columns, failed, rows)
        inside = _inside(literals, columns, rows)
        rule = _judged(literals, columns, failed, rows)
        if rule is None:
            break
        everywhere = _inside(literals, columns, np.arange(len(failed)))
        found.append(
            FailureRule(
                rule.conditions,
                int((everywhere & failed).sum()),
                int(everywhere.sum()),
                all_failed,
                len(failed),
                rule.p_value,
                rule.held_out_precision,
                rule.held_out_recall,
            )
        )
        rows = rows[~(inside & failed[rows])]  # what succeeded inside speaks against further rules, too
    return found


def _judged(
    literals: Sequence[Literal], columns: Sequence[RuleColumn], failed: Mask, rows: Rows
) -> FailureRule | None:
    """The rule with what speaks for it; None where that is too little."""
    if not literals:
        return None
    inside = _inside(literals, columns, rows)
    counts = int((inside & failed[rows]).sum()), int(inside.sum()), int(failed[rows].sum()), len(rows)
    p_value = exp(min(log_p_value(*counts) + _log_tried(literals, columns), 0.0))
    if p_value > CHANCE:
        return None
    conditions = tuple(condition_of(one, columns) for one in sorted(literals, key=lambda one: one.column))
    if counts[2] < FOLDS:
        return FailureRule(conditions, *counts, p_value, None, None)
    held = _held_out(columns, failed, rows)
    if log_p_value(*held) > log(HELD_OUT_CHANCE):
        return None
    return FailureRule(conditions, *counts, p_value, held[0] / max(held[1], 1), held[0] / held[2])


def _log_tried(literals: Sequence[Literal], columns: Sequence[RuleColumn]) -> float:
    """Logarithm of how many rules like this one there are, as far as chance is concerned.

    Chance is shared out among the columns first and among the conditions on each of them then: a choice among
    three must not pay for the thousand thresholds of a number beside it.
    """
    each = [log(len(columns) * 2 * len(np.unique(columns[one.column].values))) for one in literals]
    return max(sum(each) - log(factorial(len(literals))), 0.0)


def _held_out(columns: Sequence[RuleColumn], failed: Mask, rows: Rows) -> tuple[int, int, int, int]:
    """Failures inside, evaluations inside, failures, evaluations: of rules that did not know them."""
    order = np.argsort(failed[rows], kind="stable")  # failures and successes are dealt alike to all folds
    folds = np.empty(len(rows), dtype=int)
    folds[order] = np.arange(len(rows)) % FOLDS
    hits = inside = 0
    for fold in range(FOLDS):
        literals = _best_rule(columns, failed, rows[folds != fold])
        if not literals:
            continue
        rest = rows[folds == fold]
        within = _inside(literals, columns, rest)
        hits += int((within & failed[rest]).sum())
        inside += int(within.sum())
    return hits, inside, int(failed[rows].sum()), len(rows)


def _best_rule(columns: Sequence[RuleColumn], failed: Mask, rows: Rows) -> list[Literal]:
    """The conditions that explain best which of the rows failed; none where that is not worth its words."""
    fails = failed[rows]
    literals = literals_of(columns, rows, fails)
    if not literals:
        return []
    C = np.array([one.holds(columns, rows) for one in literals], dtype=np.float32)  # (m, n)
    price = log(len(literals)) + 0.5 * log(len(rows))  # of one more condition: which one, and its threshold
    best, score = [], 0.0
    for members, gain in _candidates(C, fails):
        if gain - price * len(members) > score + 1e-9:
            best, score = members, gain - price * len(members)
    return _refined([literals[i] for i in best], columns, failed, rows)


def _candidates(C: NDArray[np.float32], fails: Mask) -> list[tuple[list[int], float]]:
    """The best single condition, pair and triple, with their gains."""
    F = C[:, fails]
    totals = int(fails.sum()), len(fails)
    single = likelihood_gains(F.sum(axis=1, dtype=float), C.sum(axis=1, dtype=float), *totals)
    found = [([int(single.argmax())], float(single.max()))]
    pairs = np.triu(np.ones((len(C), len(C)), dtype=np.bool_), 1)
    gains = np.where(pairs, likelihood_gains(_together(F, F), _together(C, C), *totals), -np.inf)
    leading = np.argsort(gains, axis=None)[::-1][:WIDTH]
    firsts, seconds = np.unravel_index(leading, gains.shape)
    found.append(([int(firsts[0]), int(seconds[0])], float(gains.max())))
    P = C[firsts] * C[seconds]
    triples = likelihood_gains(_together(P[:, fails], F), _together(P, C), *totals)
    place, third = np.unravel_index(int(triples.argmax()), triples.shape)
    members = [int(firsts[place]), int(seconds[place]), int(third)]
    if len(set(members)) == MOST_LITERALS:
        found.append((members, float(triples.max())))
    return found


def _together(A: NDArray[np.float32], B: NDArray[np.float32]) -> Floats:
    """How many rows hold for both; counts below 2**24 are exact."""
    return np.asarray(A @ B.T, dtype=np.float64)


def _refined(
    literals: Sequence[Literal], columns: Sequence[RuleColumn], failed: Mask, rows: Rows
) -> list[Literal]:
    """The rule with the best thresholds of all, one after the other, twice."""
    refined = list(literals)
    totals = int(failed[rows].sum()), len(rows)
    for place in [*range(len(refined))] * 2:
        one = refined[place]
        if one.relation not in (">=", "<="):
            continue
        others = _inside(refined[:place] + refined[place + 1 :], columns, rows)
        x = columns[one.column].values[rows]
        values = np.unique(x[~np.isnan(x)])
        same = [other for other in thresholds(one.column, values) if other.relation == one.relation]
        failing = np.sort(x[others & failed[rows] & ~np.isnan(x)])
        within = np.sort(x[others & ~np.isnan(x)])
        at = np.array([other.value for other in same])
        counts = [_counted(sorted_x, at, one.relation) for sorted_x in (failing, within)]
        gains = likelihood_gains(counts[0], counts[1], *totals)
        # Of equally good thresholds the widest rule: it then ends where the first success stands.
        refined[place] = same[int(gains.argmax() if one.relation == ">=" else _last_argmax(gains))]
    return refined


def _counted(x: NDArray[np.float64], at: NDArray[np.float64], relation: str) -> NDArray[np.float64]:
    if relation == ">=":
        return (len(x) - np.searchsorted(x, at, side="left")).astype(float)
    return np.searchsorted(x, at, side="right").astype(float)


def _last_argmax(values: NDArray[np.float64]) -> int:
    return len(values) - 1 - int(values[::-1].argmax())


def _inside(literals: Sequence[Literal], columns: Sequence[RuleColumn], rows: Rows) -> Mask:
    inside = np.ones(len(rows), dtype=np.bool_)
    for one in literals:
        inside &= one.holds(columns, rows)
    return inside
