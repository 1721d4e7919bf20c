"""Problems of several objectives, and within constraints: those of `ambs simulate`, one more, and tables.

Waves: Gardner et al. (2014), "Bayesian optimization with inequality constraints", first simulation. Tables:
see `table_problems`; their second objective is what a cell costs: seconds of training, latency, size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ambs_hpc.simulate.goals.goal_functions import VARIABLES, front_functions, spring, vessel
from benchmarks.peer_problems import Parameter, Values

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class GoalProblem:
    """Objectives, all to be minimised, and bounds on further numbers.

    Args:
        measure: of a configuration all numbers by name.
        objectives: names of those that are minimised.
        constraints: as `Problem` takes them.
        reference: costs beyond which nothing counts, of several objectives.
        best: largest volume below it; of one objective the lowest feasible value that is known.
    """

    name: str
    space: tuple[Parameter, ...]
    measure: Callable[[Values], dict[str, float]]
    objectives: tuple[str, ...]
    reference: tuple[float, ...] = ()
    constraints: Mapping[str, str] = field(default_factory=dict)
    best: float = math.nan


def two_or_more() -> list[GoalProblem]:
    """The test functions of several objectives."""
    space = tuple(Parameter(f"x{i}", "float") for i in range(VARIABLES))
    return [
        GoalProblem(name, space, one.measure, one.names, one.reference, best=one.largest())
        for name, one in front_functions().items()
    ]


def constrained() -> list[GoalProblem]:
    """One objective within constraints, as functions; the best known values are those of the literature."""
    tank = (
        Parameter("shell", "int", 1, 99),
        Parameter("head", "int", 1, 99),
        Parameter("radius", "float", 10.0, 200.0),
        Parameter("length", "float", 10.0, 200.0),
    )
    coil = (
        Parameter("wire", "float", 0.05, 2.0),
        Parameter("coil", "float", 0.25, 1.3),
        Parameter("coils", "float", 2.0, 15.0),
    )
    waves = (Parameter("x", "float", 0.0, 6.0), Parameter("y", "float", 0.0, 6.0))
    bound = "<= 0"
    return [
        GoalProblem(
            "vessel",
            tank,
            vessel,
            ("cost",),
            constraints={f"g{i}": bound for i in range(3)},
            best=6059.714,
        ),
        GoalProblem(
            "spring",
            coil,
            spring,
            ("weight",),
            constraints={f"g{i}": bound for i in range(4)},
            best=0.012665,
        ),
        GoalProblem("waves", waves, _waves, ("cost",), constraints={"c": "<= 0.5"}, best=-2.0),
    ]


def of_table(name: str, cache: Path) -> tuple[GoalProblem, GoalProblem]:
    """A measured table twice: loss and a cost as objectives; loss alone, within the cost of a tenth.

    Args:
        name: of a table, with the metric that is the cost after a colon, "nasbench201-cifar10:latency";
            without one the seconds of a training.
    """
    from benchmarks.table_problems import further_metric, load_table

    table_name, _, metric = name.partition(":")
    table = load_table(table_name, cache)
    costs, cost = (further_metric(table_name, metric), metric) if metric else (table.seconds, "seconds")

    def measure(values: Values) -> dict[str, float]:
        cell = table.cell(values)
        return {"loss": float(table.means[cell]), cost: float(costs[cell])}

    Y = np.stack([table.means.ravel(), costs.ravel()], axis=1)
    Y = Y[np.isfinite(Y).all(axis=1)]
    reference = tuple(float(one) for one in np.median(Y, axis=0))
    best = volume(Y, reference)
    bound = float(np.quantile(Y[:, 1], 0.1))
    lowest = float(Y[Y[:, 1] <= bound, 0].min())
    return (
        GoalProblem(name, table.space, measure, ("loss", cost), reference, best=best),
        GoalProblem(f"{name} in time", table.space, measure, ("loss",), (), {cost: f"<= {bound!r}"}, lowest),
    )


def volume(Y: Array, reference: Sequence[float]) -> float:
    """What costs (n, m) dominate below the reference."""
    from ambs_hpc.search.objectives.measures import hypervolume

    return hypervolume(np.asarray(Y, dtype=float), np.array(reference))


def _waves(values: Values) -> dict[str, float]:
    x, y = values["x"], values["y"]
    cost = math.cos(2 * x) * math.cos(y) + math.sin(x)
    return {"cost": cost, "c": math.cos(x) * math.cos(y) - math.sin(x) * math.sin(y)}
