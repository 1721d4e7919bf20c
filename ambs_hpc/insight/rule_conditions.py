"""Conditions on one column of evaluations, such as `batch_size >= 512`: those worth trying, their words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial, log

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.records import Value
from ambs_hpc.search.constraints import Floats, Mask

MOST_CONDITIONS = 600  # tried in pairs; thresholds of the rule that was found are then looked for among all
LEAST_THRESHOLDS, MOST_THRESHOLDS = 6, 24  # of one column
MOST_CHOICES = 40  # of one column without order, such as nodes: those that failed most often
MOST_DIGITS = 17  # tell any two floating-point numbers apart

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class RuleColumn:
    """What a rule may be about.

    Args:
        name: of a parameter, or "node".
        values: (n,) numbers, or places of the choices; NaN where a parameter is inactive.
        choices: the values of the places; None for numbers.
        is_ordered: whether "at least" means something.
        is_whole: numbers without fractions.
        parents: names of the parameters on whose values it depends whether it is active.
    """

    name: str
    values: Floats
    choices: Sequence[Value] | None
    is_ordered: bool
    is_whole: bool
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on a parameter, or on the node.

    Args:
        name: what it is about.
        relation: ">=", "<=", "=", "!=", "active" or "inactive".
        value: with what it is compared; None for the last two.
        untried: of a bound on numbers the nearest that were tried outside and inside: it lies between them.
            None where nothing lies between, and for all else.
    """

    name: str
    relation: str
    value: Value | None = None
    untried: tuple[float, float] | None = None

    @property
    def words(self) -> str:
        """As people write it."""
        if self.value is None:
            return f"{self.name} is {self.relation}"
        text = f"{self.value:.6g}" if isinstance(self.value, float) else str(self.value)
        return f"{self.name} {self.relation} {text}"


@dataclass(frozen=True, slots=True)
class Literal:
    """A condition while it is looked for: column, relation, and a value that occurs in the column."""

    column: int
    relation: str
    value: float = 0.0

    def holds(self, columns: Sequence[RuleColumn], rows: Rows) -> Mask:
        """(r,) whether it holds in each of the rows; comparisons never hold for what is inactive."""
        x = columns[self.column].values[rows]
        match self.relation:
            case ">=":
                return np.asarray(x >= self.value)
            case "<=":
                return np.asarray(x <= self.value)
            case "=":
                return np.asarray(x == self.value)
            case "!=":
                return np.asarray((x != self.value) & ~np.isnan(x))
            case "active":
                return np.asarray(~np.isnan(x))
        return np.asarray(np.isnan(x))


def literals_of(columns: Sequence[RuleColumn], rows: Rows, fails: Mask) -> list[Literal]:
    """The conditions to try on these rows, each true for some of them and false for others.

    Args:
        fails: (r,) which of the rows failed.
    """
    ordered = max(sum(column.is_ordered for column in columns), 1)
    most = min(max(MOST_CONDITIONS // (2 * ordered), LEAST_THRESHOLDS), MOST_THRESHOLDS)
    found: list[Literal] = []
    for j, column in enumerate(columns):
        x = column.values[rows]
        values = np.unique(x[~np.isnan(x)])
        if len(values) < 2:
            continue
        if column.is_ordered:
            found += thresholds(j, _thinned(values, x, most))
        else:
            often = np.array([(x[fails] == value).sum() for value in values])
            failing = [float(value) for value in values[np.argsort(-often, kind="stable")]]
            found += [Literal(j, "=", value) for value in failing[:MOST_CHOICES]]
            found += [Literal(j, "!=", value) for value in failing if 2 < len(values) <= MOST_CHOICES]
    return found + activities(found, columns, rows)


def activities(others: Sequence[Literal], columns: Sequence[RuleColumn], rows: Rows) -> list[Literal]:
    """Whether parameters are active, but where one of the other conditions, on a parent, says the same.

    "kernel = linear" is what a person has chosen; that gamma is inactive only follows from it.
    """
    found = []
    for j, column in enumerate(columns):
        is_inactive = np.isnan(column.values[rows])
        if is_inactive.all() or not is_inactive.any():
            continue
        of_parents = [one for one in others if columns[one.column].name in column.parents]
        told = [one.holds(columns, rows) for one in of_parents]
        for relation, mask in (("active", ~is_inactive), ("inactive", is_inactive)):
            if not any(np.array_equal(mask, one) for one in told):
                found.append(Literal(j, relation))
    return found


def thresholds(column: int, values: Floats) -> list[Literal]:
    """At least and at most each of the rising values, but where that holds for all."""
    at_least = [Literal(column, ">=", float(value)) for value in values[1:]]
    return at_least + [Literal(column, "<=", float(value)) for value in values[:-1]]


def log_tried(literals: Sequence[Literal], columns: Sequence[RuleColumn]) -> float:
    """Logarithm of how many rules like this one there are, as far as chance is concerned.

    Chance is shared out among the columns first and among the conditions on each of them then: a choice among
    three must not pay for the thousand thresholds of a number beside it.
    """
    each = [log(len(columns) * 2 * len(np.unique(columns[one.column].values))) for one in literals]
    return max(sum(each) - log(factorial(len(literals))), 0.0)


def condition_of(literal: Literal, columns: Sequence[RuleColumn], beside: Mask) -> Condition:
    """The condition in the values of the problem, with the shortest threshold that tells the rows apart.

    Args:
        beside: (n,) where all other conditions of the rule hold; True everywhere without others.
    """
    column = columns[literal.column]
    if literal.relation in ("active", "inactive"):
        return Condition(column.name, literal.relation)
    if column.choices is not None:
        return Condition(column.name, literal.relation, column.choices[int(literal.value)])
    if column.is_whole:
        untried = _untried(literal, column.values[beside])
        has_between = untried is not None and abs(untried[0] - untried[1]) > 1
        return Condition(column.name, literal.relation, int(literal.value), untried if has_between else None)
    x = column.values[~np.isnan(column.values)]
    if literal.relation == ">=":
        beyond = x[x < literal.value].max(initial=-np.inf)
        bound = _short_between(float(beyond), literal.value, is_upper=True)
    else:
        beyond = x[x > literal.value].min(initial=np.inf)
        bound = _short_between(literal.value, float(beyond), is_upper=False)
    return Condition(column.name, literal.relation, bound, _untried(literal, column.values[beside]))


def _untried(literal: Literal, x: Floats) -> tuple[float, float] | None:
    """The nearest values that were tried outside and inside of a bound."""
    if literal.relation == ">=":
        outside, inside = x[x < literal.value].max(initial=-np.inf), x[x >= literal.value].min(initial=np.inf)
    else:
        outside, inside = x[x > literal.value].min(initial=np.inf), x[x <= literal.value].max(initial=-np.inf)
    return (float(outside), float(inside)) if np.isfinite(outside) and np.isfinite(inside) else None


def _thinned(values: Floats, x: Floats, most: int) -> Floats:
    if len(values) <= most:
        return values
    # Of the rows' own distribution, whatever the scale of the parameter.
    return np.unique(np.quantile(x[~np.isnan(x)], np.linspace(0.0, 1.0, most), method="nearest"))


def _short_between(low: float, high: float, *, is_upper: bool) -> float:
    """The shortest number that separates two: above `low` and up to `high`, or from `low` to below `high`."""
    middle = (low + high) / 2 if np.isfinite(low + high) else (high if is_upper else low)
    for digits in range(1, MOST_DIGITS):
        short = float(f"{middle:.{digits}g}")
        if (low < short <= high) if is_upper else (low <= short < high):
            return short
    return high if is_upper else low
