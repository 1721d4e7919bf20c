"""What a search is after: one objective or several, and the bounds that metrics of a result must keep."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from ambs_hpc.errors import ProblemError, UsageError, nearest

DIRECTIONS = ("minimize", "maximize")
MOST_OBJECTIVES = 6  # beyond them nearly all results are on the front, and the views have no columns
OBJECTIVE = "objective"  # the name of the one objective that has none of its own
METRIC = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/-]{0,99}")
BOUND = re.compile(r"\s*(<=|>=|<|>)\s*(\S+)\s*")
COMPARISONS = ("<", "<=", ">", ">=")
STORED_BOUND = '["latency_ms", "<=", 20.0]'
HOW_BOUND = 'Write a comparison and a number: "<= 20", "< 40", ">= 0.9" or "> 0", or a list of such texts'


@dataclass(frozen=True, slots=True)
class Constraint:
    """A bound on a metric.

    Args:
        comparison: one of "<", "<=", ">", ">=".
        bound: in the metric's unit, finite.
    """

    metric: str
    comparison: str
    bound: float

    def excess(self, value: float) -> float:
        """By how much a value is beyond the bound, as a share of the bound (of 1 where that is 0).

        Negative within it. What only touches a bound that must not be touched is 0, and does not hold.
        """
        beyond = value - self.bound if self.comparison.startswith("<") else self.bound - value
        return beyond / (abs(self.bound) or 1.0)

    def holds(self, value: float) -> bool:
        """Whether the value keeps the bound."""
        beyond = self.excess(value)
        return beyond <= 0.0 if self.comparison.endswith("=") else beyond < 0.0

    @property
    def words(self) -> str:
        """The bound in words: "latency_ms <= 20"."""
        return f"{self.metric} {self.comparison} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Feasibility:
    """How a result stands to the constraints.

    Args:
        excess: sum of what it is beyond bounds by, each as a share of its bound; 0 where all known ones hold.
        broken: the bounds that it breaks, in words with what was measured.
        unknown: metrics that it does not have as numbers.
    """

    excess: float = 0.0
    broken: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """One of "yes", "no", and "unknown" where a metric is missing and no bound is broken."""
        return "no" if self.broken else "unknown" if self.unknown else "yes"

    @property
    def words(self) -> str:
        """What is wrong, for a person; "" for nothing."""
        missing = f"no metric {', '.join(self.unknown)}" if self.unknown else ""
        return "; ".join((*self.broken, *([missing] if missing else [])))


@dataclass(frozen=True, slots=True)
class Goals:
    """The objectives of a campaign by name, the first one first, and its constraints."""

    directions: Mapping[str, str] = field(default_factory=lambda: {OBJECTIVE: "minimize"})
    constraints: tuple[Constraint, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The objectives' names."""
        return tuple(self.directions)

    @property
    def has_several(self) -> bool:
        """Whether there are several objectives."""
        return len(self.directions) > 1

    @property
    def is_plain(self) -> bool:
        """Whether there is one objective, and no constraint."""
        return not self.has_several and not self.constraints

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that the constraints read, each once."""
        return tuple(dict.fromkeys(one.metric for one in self.constraints))

    def value(self, name: str, objective: float | None, metrics: Mapping[str, object]) -> float | None:
        """The number of that name in a result; None where there is none.

        Args:
            objective: the first objective of the result.
        """
        if name in (OBJECTIVE, self.names[0]) and objective is not None:
            return objective
        return number_in(metrics, name)

    def values(self, objective: float | None, metrics: Mapping[str, object]) -> dict[str, float | None]:
        """All objectives of a result."""
        return {name: self.value(name, objective, metrics) for name in self.names}

    def feasibility(self, objective: float | None, metrics: Mapping[str, object]) -> Feasibility:
        """How a result stands to the constraints."""
        excess, broken, unknown = 0.0, [], []
        for one in self.constraints:
            value = self.value(one.metric, objective, metrics)
            if value is None:
                unknown.append(one.metric)
            elif not one.holds(value):
                excess += max(one.excess(value), 0.0)
                broken.append(f"{one.words} is broken: {value:g}")
        return Feasibility(excess, tuple(broken), tuple(dict.fromkeys(unknown)))

    def chosen(self, name: str | None) -> str:
        """The objective of that name; None takes the first.

        Raises:
            UsageError: there is none of that name.
        """
        if name is not None and name not in self.directions:
            raise UsageError(f"--objective {name}: no such objective. {nearest(name, self.names)}")
        return self.names[0] if name is None else name


def number_in(metrics: Mapping[str, object], name: str) -> float | None:
    """A metric that is a finite number; truth values and texts are none."""
    value = metrics.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def goals_of(problem: Mapping[str, object], direction: str) -> Goals:
    """The goals of a stored campaign.

    Args:
        problem: as JSON values.
        direction: the campaign's, of its first objective.

    Raises:
        ProblemError: somebody wrote other values there.
    """
    stated = problem.get("direction")
    directions = checked_direction(stated) if isinstance(stated, Mapping) else {OBJECTIVE: direction}
    stored = problem.get("constraints") or ()
    if not isinstance(stored, list | tuple):
        raise _wrong("constraints", stored, f"It is a list of {STORED_BOUND}")
    return Goals(cast("dict[str, str]", directions), tuple(map(_stored_constraint, stored)))


def _stored_constraint(stored: object) -> Constraint:
    if not isinstance(stored, list | tuple) or len(stored) != 3 or stored[1] not in COMPARISONS:
        raise _wrong("constraints", stored, f"Each is {STORED_BOUND}")
    if not isinstance(stored[0], str) or not _is_bound(stored[2]):
        raise _wrong("constraints", stored, f"Each is {STORED_BOUND}")
    return Constraint(*stored)


def _is_bound(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def named_objectives(problem: Mapping[str, object]) -> list[str]:
    """The names that a result must have; [] where its objective has no name of its own."""
    stated = problem.get("direction")
    return list(stated) if isinstance(stated, Mapping) else []


def checked_direction(direction: object) -> str | dict[str, str]:
    """The direction of one objective, or those of objectives by name.

    Raises:
        ProblemError: it is neither.
    """
    if not isinstance(direction, Mapping):
        if direction not in DIRECTIONS:
            raise _wrong("direction", direction, nearest(str(direction), DIRECTIONS))
        return str(direction)
    if not 1 <= len(direction) <= MOST_OBJECTIVES:
        accepted = (
            f'Name 1 to {MOST_OBJECTIVES} objectives: {{"accuracy": "maximize", "latency_ms": "minimize"}}'
        )
        raise _wrong("direction", dict(direction), accepted)
    for name, one in direction.items():
        _check_name("direction", name)
        if one not in DIRECTIONS:
            raise _wrong(f"direction[{name!r}]", one, nearest(str(one), DIRECTIONS))
    if OBJECTIVE in list(direction)[1:]:
        remedy = "The first objective is called that everywhere: put it first, or give it another name"
        raise _wrong("a name in direction", OBJECTIVE, remedy)
    return {str(name): str(one) for name, one in direction.items()}


def checked_constraints(given: object) -> tuple[Constraint, ...]:
    """The constraints that a person stated.

    Args:
        given: texts such as "<= 20", or lists of them, by the names of metrics.

    Raises:
        ProblemError: names the metric, what was given for it and what is accepted.
    """
    if not isinstance(given, Mapping):
        raise _wrong("constraints", given, 'Write {"latency_ms": "<= 20"}')
    found = []
    for name, texts in given.items():
        _check_name("constraints", name)
        for text in (
            [texts] if isinstance(texts, str) else texts if isinstance(texts, list | tuple) else [texts]
        ):
            found.append(_constraint(str(name), text))
    return tuple(found)


def stored_constraints(constraints: Sequence[Constraint]) -> list[list[Any]]:
    """The constraints as JSON values."""
    return [[one.metric, one.comparison, one.bound] for one in constraints]


def _constraint(name: str, text: object) -> Constraint:
    where = f"constraints[{name!r}]"
    found = BOUND.fullmatch(text) if isinstance(text, str) else None
    try:
        bound = float(found[2]) if found else math.nan
    except ValueError:
        bound = math.nan
    if found is None or not math.isfinite(bound):
        raise _wrong(where, text, HOW_BOUND)
    return Constraint(name, found[1], bound)


def _check_name(where: str, name: object) -> None:
    if not isinstance(name, str) or not METRIC.fullmatch(name):
        accepted = "Use up to 100 letters, digits, '_', '.', ':', '/', '-', a letter or '_' first"
        raise _wrong(f"a name in {where}", name, accepted)


def _wrong(name: str, value: object, remedy: str) -> ProblemError:
    return ProblemError("problem", name, f"is {value!r}", remedy)
