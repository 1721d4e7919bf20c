"""Where failures of one kind live: short rules over configurations, with what speaks for them and against.

A rule is a conjunction of a few conditions. The best one is found by trying all pairs of conditions and the
best triples, then others for the failures that it leaves (sequential covering; Clark and Niblett 1989, "The
CN2 induction algorithm"). A rule is told only if chance does not explain it, counted with all the rules that
were tried, and if rules that were found without some of the evaluations hold for these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.insight.contingency import likelihood_gains, log_p_value
from ambs_hpc.insight.exact_rules import exact_literals, surprise
from ambs_hpc.insight.rule_conditions import (
    Condition,
    Literal,
    Rows,
    RuleColumn,
    condition_of,
    literals_of,
    log_tried,
    thresholds,
)
from ambs_hpc.search.constraints import Floats, Mask

LEAST_FAILURES = 3  # that a rule is looked for
MOST_RULES = 3  # of one signature
MOST_LITERALS = 3  # of one rule
CHANCE = 0.01  # a rule that chance makes more often than this is none
HELD_OUT_CHANCE = 0.05
SUSPICIOUS_CHANCE = 0.5  # chance makes a suspicion at most so often
FOLDS = 5
WIDTH = 30  # pairs that a third condition is tried with


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
        exact: with one condition more the rule may hold for the same failures and for no success: all
            conditions of this narrower rule. () where there is none, or where chance has one as easily.
    """

    conditions: tuple[Condition, ...]
    failed: int
    inside: int
    all_failed: int
    compared: int
    p_value: float
    held_out_precision: float | None
    held_out_recall: float | None
    exact: tuple[Condition, ...] = ()

    @property
    def words(self) -> str:
        """The conditions as people write them."""
        return words_of(self.conditions)

    @property
    def succeeded(self) -> int:
        """Of the evaluations inside those that did not fail."""
        return self.inside - self.failed

    @property
    def precision(self) -> float:
        """Share of the evaluations inside that failed."""
        return self.failed / self.inside

    @property
    def recall(self) -> float:
        """Share of the failures that are inside."""
        return self.failed / self.all_failed


def words_of(conditions: Sequence[Condition]) -> str:
    """Conditions as people write them."""
    return " and ".join(one.words for one in conditions)


def failure_rules(columns: Sequence[RuleColumn], failed: Mask) -> list[FailureRule]:
    """The rules that explain failures of one signature, the one that explains most first; often none.

    Args:
        columns: of all compared evaluations, (n,) each.
        failed: (n,) which of them failed with this signature; all others did not fail.
    """
    found: list[FailureRule] = []
    rows = np.arange(len(failed))
    while len(found) < MOST_RULES and failed[rows].sum() >= LEAST_FAILURES and not failed[rows].all():
        literals = _best_rule(columns, failed, rows)
        evidence = _judged(literals, columns, failed, rows)
        if evidence is None:
            break
        inside = _inside(literals, columns, rows)
        further = _further(literals, columns, failed, rows[inside])
        found.append(_rule(literals, further, columns, failed, evidence))
        rows = rows[~(inside & failed[rows])]  # what succeeded inside speaks against further rules, too
    return found


def suspicion(columns: Sequence[RuleColumn], failed: Mask) -> FailureRule | None:
    """What all failures share and no success has, though it is not sure; None where chance has it as easily.

    Args:
        columns, failed: as for `failure_rules`, which found none.
    """
    if failed.sum() < LEAST_FAILURES or failed.all() or not columns:
        return None
    failing, others = np.flatnonzero(failed), np.flatnonzero(~failed)
    literals = exact_literals(columns, failing, others, range(1, MOST_LITERALS + 1))
    if not literals:
        return None
    p_value = _p_value(literals, columns, failed, np.arange(len(failed)))
    if p_value > SUSPICIOUS_CHANCE:
        return None
    return _rule(literals, [], columns, failed, (p_value, None, None))


def _rule(
    literals: Sequence[Literal],
    further: Sequence[Literal],
    columns: Sequence[RuleColumn],
    failed: Mask,
    evidence: tuple[float, float | None, float | None],
) -> FailureRule:
    everywhere = _inside(literals, columns, np.arange(len(failed)))
    return FailureRule(
        _conditions(literals, columns),
        int((everywhere & failed).sum()),
        int(everywhere.sum()),
        int(failed.sum()),
        len(failed),
        *evidence,
        exact=_conditions([*literals, *further], columns) if further else (),
    )


def _conditions(literals: Sequence[Literal], columns: Sequence[RuleColumn]) -> tuple[Condition, ...]:
    every = np.arange(len(columns[0].values))
    ordered = sorted(literals, key=lambda one: one.column)
    return tuple(
        condition_of(one, columns, _inside([other for other in ordered if other is not one], columns, every))
        for one in ordered
    )


def _judged(
    literals: Sequence[Literal], columns: Sequence[RuleColumn], failed: Mask, rows: Rows
) -> tuple[float, float | None, float | None] | None:
    """What speaks for the rule: chance, precision and recall held out; None where that is too little."""
    if not literals:
        return None
    p_value = _p_value(literals, columns, failed, rows)
    if p_value > CHANCE:
        return None
    if failed[rows].sum() < FOLDS:
        return p_value, None, None
    held = _held_out(columns, failed, rows)
    if log_p_value(*held) > log(HELD_OUT_CHANCE):
        return None
    return p_value, held[0] / max(held[1], 1), held[0] / held[2]


def _p_value(literals: Sequence[Literal], columns: Sequence[RuleColumn], failed: Mask, rows: Rows) -> float:
    """At most so probable is it that chance makes a rule as good, among all those that were possible."""
    inside = _inside(literals, columns, rows)
    counts = int((inside & failed[rows]).sum()), int(inside.sum()), int(failed[rows].sum()), len(rows)
    return exp(min(log_p_value(*counts) + log_tried(literals, columns), 0.0))


def _further(
    literals: Sequence[Literal], columns: Sequence[RuleColumn], failed: Mask, inside: Rows
) -> list[Literal]:
    """The condition that only the failures inside of a rule have; [] where chance has one as easily."""
    failing, others = inside[failed[inside]], inside[~failed[inside]]
    if not len(others) or len(literals) >= MOST_LITERALS:
        return []
    found = exact_literals(columns, failing, others, [1])
    return found if found and surprise(found, columns, len(failing), len(others)) > 0.0 else []


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
    refined = _refined([literals[i] for i in best], columns, failed, rows)
    further = _further(refined, columns, failed, rows[_inside(refined, columns, rows)]) if refined else []
    narrower = [*refined, *further]
    is_surer = _p_value(narrower, columns, failed, rows) < _p_value(refined, columns, failed, rows)
    return narrower if is_surer else refined


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
