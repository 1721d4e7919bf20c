"""Spaces with every feature, and objectives on them, for the tests of the search."""

from __future__ import annotations

import math

from ConfigSpace import (
    AndConjunction,
    Categorical,
    ConfigurationSpace,
    Constant,
    EqualsCondition,
    Float,
    ForbiddenAndConjunction,
    ForbiddenEqualsClause,
    ForbiddenInClause,
    ForbiddenLessThanRelation,
    GreaterThanCondition,
    InCondition,
    Integer,
    LessThanCondition,
    NotEqualsCondition,
    OrConjunction,
    OrdinalHyperparameter,
)

from ambs_hpc.records import Configuration


def rich_space() -> ConfigurationSpace:
    """Nested conditions of every kind, forbidden clauses, log, whole, ordered, constant."""
    space = ConfigurationSpace()
    units = Integer("units", (1, 100), log=True)
    optimizer = Categorical("optimizer", ["sgd", "adam", "none"])
    rate = Float("rate", (1e-4, 10.0), log=True)
    depth = Integer("depth", (2, 9))
    order = OrdinalHyperparameter("order", [1, 2, 4, 8])
    warm = Categorical("warm", [True, False])
    dropout = Float("dropout", (0.0, 1.0))
    decay = Float("decay", (-1.0, 1.0))
    space.add(units, optimizer, rate, depth, order, warm, dropout, decay, Constant("data", "digits"))
    space.add(
        InCondition(rate, optimizer, ["sgd", "adam"]),
        AndConjunction(GreaterThanCondition(depth, rate, 0.01), EqualsCondition(depth, warm, True)),
        OrConjunction(LessThanCondition(dropout, order, 4), EqualsCondition(dropout, depth, 5)),
        NotEqualsCondition(decay, warm, True),
    )
    space.add(
        ForbiddenAndConjunction(ForbiddenEqualsClause(optimizer, "sgd"), ForbiddenInClause(order, [2, 4])),
        ForbiddenLessThanRelation(units, order),
    )
    return space


def rich_objective(configuration: Configuration) -> float:
    """Smooth in the active parameters, best near units 30 and rate 0.1."""
    value = math.log(float(configuration["units"]) / 30.0) ** 2
    value += abs(math.log(float(configuration["rate"]) / 0.1)) if "rate" in configuration else 3.0
    return value + 0.2 * float(configuration.get("dropout", 0.3)) + 0.1 * float(configuration.get("depth", 5))


PLAIN = {"x": (0.0, 1.0), "y": (1e-3, 1.0, "log"), "k": (1, 50), "c": ["a", "b", "c"], "z": "fixed"}


def plain_objective(configuration: Configuration) -> float:
    """A bowl, best 0 at x 0.7, y 0.1, k 20, c "b"."""
    x, y, k = (float(configuration[name]) for name in ("x", "y", "k"))
    bowl = (x - 0.7) ** 2 + (math.log10(y) + 1.0) ** 2 / 9.0 + ((k - 20.0) / 50.0) ** 2
    return bowl + (0.0 if configuration["c"] == "b" else 0.3)
