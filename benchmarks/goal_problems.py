"""Problems of several objectives, and within constraints, in their authors' words. Needs numpy alone.

ZDT: Zitzler, Deb, Thiele (2000), "Comparison of multiobjective evolutionary algorithms: empirical results".
DTLZ: Deb, Thiele, Laumanns, Zitzler (2002), "Scalable multi-objective optimization test problems". Both with
few variables, as in tuning. Constraints: Coello (2000), "Use of a self-adaptive penalty approach for
engineering optimization problems" (pressure vessel, spring); Gardner et al. (2014), "Bayesian optimization
with inequality constraints", first simulation. Tables: see `table_problems`; their second objective is the
seconds that a training took.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peer_problems import Parameter, Values

VARIABLES = 6
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
    fronts = {
        "zdt1": ((1.1, 1.1), lambda f: 1 - np.sqrt(f)),
        "zdt2": ((1.1, 1.1), lambda f: 1 - f**2),
        "zdt3": ((1.1, 1.1), lambda f: 1 - np.sqrt(f) - f * np.sin(10 * np.pi * f)),
        "zdt4": ((1.1, 50.0), lambda f: 1 - np.sqrt(f)),
        "zdt6": ((1.1, 10.0), lambda f: np.where(f < 0.2807753191, np.inf, 1 - f**2)),
    }
    found = []
    for name, (reference, front) in fronts.items():
        f = np.linspace(0.0, 1.0, 20_001)
        best = _volume_of_curve(f, front(f), reference)
        found.append(GoalProblem(name, space, partial(_zdt, name), ("f0", "f1"), reference, best=best))
    sphere = 1.1**3 - math.pi / 6
    found.append(GoalProblem("dtlz2", space, _dtlz2, ("f0", "f1", "f2"), (1.1, 1.1, 1.1), best=sphere))
    seven = (1.1, 1.1, 8.0)
    found.append(GoalProblem("dtlz7", space, _dtlz7, ("f0", "f1", "f2"), seven, best=_dtlz7_volume(seven)))
    return found


def constrained() -> list[GoalProblem]:
    """One objective within constraints, as functions; the best known values are those of the literature."""
    vessel = (
        Parameter("shell", "int", 1, 99),
        Parameter("head", "int", 1, 99),
        Parameter("radius", "float", 10.0, 200.0),
        Parameter("length", "float", 10.0, 200.0),
    )
    spring = (
        Parameter("wire", "float", 0.05, 2.0),
        Parameter("coil", "float", 0.25, 1.3),
        Parameter("coils", "float", 2.0, 15.0),
    )
    waves = (Parameter("x", "float", 0.0, 6.0), Parameter("y", "float", 0.0, 6.0))
    bound = "<= 0"
    return [
        GoalProblem(
            "vessel",
            vessel,
            _vessel,
            ("cost",),
            constraints={f"g{i}": bound for i in range(3)},
            best=6059.714,
        ),
        GoalProblem(
            "spring",
            spring,
            _spring,
            ("weight",),
            constraints={f"g{i}": bound for i in range(4)},
            best=0.012665,
        ),
        GoalProblem("waves", waves, _waves, ("cost",), constraints={"c": "<= 0.5"}, best=-2.0),
    ]


def of_table(name: str, cache: Path) -> tuple[GoalProblem, GoalProblem]:
    """A measured table twice: loss and seconds as objectives; loss alone, within the seconds of a tenth."""
    from benchmarks.table_problems import load_table

    table = load_table(name, cache)

    def measure(values: Values) -> dict[str, float]:
        cell = table.cell(values)
        return {"loss": float(table.means[cell]), "seconds": float(table.seconds[cell])}

    Y = np.stack([table.means.ravel(), table.seconds.ravel()], axis=1)
    Y = Y[np.isfinite(Y).all(axis=1)]
    reference = tuple(float(one) for one in np.median(Y, axis=0))
    best = volume(Y, reference)
    bound = float(np.quantile(Y[:, 1], 0.1))
    lowest = float(Y[Y[:, 1] <= bound, 0].min())
    return (
        GoalProblem(name, table.space, measure, ("loss", "seconds"), reference, best=best),
        GoalProblem(
            f"{name} in time", table.space, measure, ("loss",), (), {"seconds": f"<= {bound!r}"}, lowest
        ),
    )


def volume(Y: Array, reference: Sequence[float]) -> float:
    """What costs (n, m) dominate below the reference."""
    from ambs_hpc.search.objectives.measures import hypervolume

    return hypervolume(np.asarray(Y, dtype=float), np.array(reference))


def _volume_of_curve(x: Array, y: Array, reference: tuple[float, float]) -> float:
    """Of a fine curve, by its running minimum."""
    lowest = np.minimum(np.minimum.accumulate(y), reference[1])
    ends = np.append(x[1:], reference[0])
    return float(((ends - x) * (reference[1] - lowest)).sum())


def _dtlz7_volume(reference: tuple[float, float, float]) -> float:
    """Where g is 1, by a fine grid of the first two objectives."""
    f = np.linspace(0.0, 1.0, 400)
    part = f * (1 + np.sin(3 * np.pi * f)) / 2.0
    third = 2.0 * (3.0 - part[:, None] - part[None, :])
    lowest = np.minimum(np.minimum.accumulate(np.minimum.accumulate(third, axis=0), axis=1), reference[2])
    widths = np.append(np.diff(f), reference[0] - 1.0)
    return float((widths[:, None] * widths[None, :] * (reference[2] - lowest)).sum())


def _x(values: Values) -> Array:
    return np.array([values[f"x{i}"] for i in range(VARIABLES)])


def _zdt(name: str, values: Values) -> dict[str, float]:
    x = _x(values)
    f, rest = float(x[0]), x[1:]
    if name == "zdt4":
        y = 10 * rest - 5
        g = 1 + 10 * len(rest) + float((y**2 - 10 * np.cos(4 * np.pi * y)).sum())
    elif name == "zdt6":
        f = 1 - math.exp(-4 * x[0]) * math.sin(6 * math.pi * x[0]) ** 6
        g = 1 + 9 * float(rest.mean()) ** 0.25
    else:
        g = 1 + 9 * float(rest.mean())
    share = f / g
    if name in ("zdt2", "zdt6"):
        h = 1 - share**2
    else:
        h = 1 - math.sqrt(share) - (share * math.sin(10 * math.pi * f) if name == "zdt3" else 0.0)
    return {"f0": f, "f1": g * h}


def _dtlz2(values: Values) -> dict[str, float]:
    x = _x(values)
    far = 1 + float(((x[2:] - 0.5) ** 2).sum())
    a, b = x[0] * math.pi / 2, x[1] * math.pi / 2
    return {
        "f0": far * math.cos(a) * math.cos(b),
        "f1": far * math.cos(a) * math.sin(b),
        "f2": far * math.sin(a),
    }


def _dtlz7(values: Values) -> dict[str, float]:
    x = _x(values)
    g = 1 + 9 * float(x[2:].mean())
    h = 3 - sum(float(x[i]) / (1 + g) * (1 + math.sin(3 * math.pi * x[i])) for i in range(2))
    return {"f0": float(x[0]), "f1": float(x[1]), "f2": (1 + g) * h}


def _vessel(values: Values) -> dict[str, float]:
    s, h = 0.0625 * values["shell"], 0.0625 * values["head"]
    r, length = values["radius"], values["length"]
    cost = 0.6224 * s * r * length + 1.7781 * h * r**2 + 3.1661 * s**2 * length + 19.84 * s**2 * r
    room = math.pi * r**2 * length + 4 / 3 * math.pi * r**3
    return {"cost": cost, "g0": 0.0193 * r - s, "g1": 0.00954 * r - h, "g2": 1_296_000 - room}


def _spring(values: Values) -> dict[str, float]:
    d, coil, n = values["wire"], values["coil"], values["coils"]
    bent = 12566 * (coil * d**3 - d**4)
    first = (4 * coil**2 - d * coil) / bent if bent else math.inf
    return {
        "weight": (n + 2) * coil * d**2,
        "g0": 1 - coil**3 * n / (71785 * d**4),
        "g1": min(max(first + 1 / (5108 * d**2) - 1, -1e6), 1e6),
        "g2": 1 - 140.45 * d / (coil**2 * n),
        "g3": (d + coil) / 1.5 - 1,
    }


def _waves(values: Values) -> dict[str, float]:
    x, y = values["x"], values["y"]
    cost = math.cos(2 * x) * math.cos(y) + math.sin(x)
    return {"cost": cost, "c": math.cos(x) * math.cos(y) - math.sin(x) * math.sin(y)}
