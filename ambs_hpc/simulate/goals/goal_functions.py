"""Problems of several objectives, and within constraints, in their authors' words.

ZDT: Zitzler, Deb, Thiele (2000), "Comparison of multiobjective evolutionary algorithms: empirical results".
DTLZ: Deb, Thiele, Laumanns, Zitzler (2002), "Scalable multi-objective optimization test problems". Both with
few variables, as in tuning. Constraints: Coello (2000), "Use of a self-adaptive penalty approach for
engineering optimization problems" (pressure vessel, spring).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Measure = Callable[[Mapping[str, Any]], dict[str, float]]
VARIABLES = 6
ON_CURVE, ON_GRID = 20_001, 400  # points by which a front is integrated


@dataclass(frozen=True, slots=True)
class FrontFunction:
    """Objectives f0, f1, ... of x0, x1, ... in [0, 1], all to be minimised.

    Args:
        measure: all objectives of a configuration by name.
        reference: costs beyond which nothing counts, one for each objective.
        largest: computes the largest volume below the reference.
    """

    measure: Measure
    reference: tuple[float, ...]
    largest: Callable[[], float]

    @property
    def names(self) -> tuple[str, ...]:
        """The objectives' names."""
        return tuple(f"f{i}" for i in range(len(self.reference)))


def front_functions() -> dict[str, FrontFunction]:
    """The test functions of several objectives by name."""
    fronts: dict[str, tuple[tuple[float, float], Callable[[Array], Array]]] = {
        "zdt1": ((1.1, 1.1), lambda f: 1 - np.sqrt(f)),
        "zdt2": ((1.1, 1.1), lambda f: 1 - f**2),
        "zdt3": ((1.1, 1.1), lambda f: 1 - np.sqrt(f) - f * np.sin(10 * np.pi * f)),
        "zdt4": ((1.1, 50.0), lambda f: 1 - np.sqrt(f)),
        "zdt6": ((1.1, 10.0), lambda f: np.where(f < 0.2807753191, np.inf, 1 - f**2)),
    }
    found = {
        name: FrontFunction(partial(_zdt, name), reference, partial(_under_curve, curve, reference))
        for name, (reference, curve) in fronts.items()
    }
    found["dtlz2"] = FrontFunction(_dtlz2, (1.1, 1.1, 1.1), lambda: 1.1**3 - math.pi / 6)
    seven = (1.1, 1.1, 8.0)
    found["dtlz7"] = FrontFunction(_dtlz7, seven, partial(_under_dtlz7, seven))
    return found


def vessel(values: Mapping[str, Any]) -> dict[str, float]:
    """The cost of a pressure vessel and what must not exceed 0; the best known cost is 6059.714."""
    s, h = 0.0625 * values["shell"], 0.0625 * values["head"]
    r, length = values["radius"], values["length"]
    cost = 0.6224 * s * r * length + 1.7781 * h * r**2 + 3.1661 * s**2 * length + 19.84 * s**2 * r
    room = math.pi * r**2 * length + 4 / 3 * math.pi * r**3
    return {"cost": cost, "g0": 0.0193 * r - s, "g1": 0.00954 * r - h, "g2": 1_296_000 - room}


def spring(values: Mapping[str, Any]) -> dict[str, float]:
    """The weight of a spring and what must not exceed 0; the best known weight is 0.012665."""
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


def _x(values: Mapping[str, Any]) -> Array:
    return np.array([values[f"x{i}"] for i in range(VARIABLES)], dtype=float)


def _zdt(name: str, values: Mapping[str, Any]) -> dict[str, float]:
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


def _dtlz2(values: Mapping[str, Any]) -> dict[str, float]:
    x = _x(values)
    far = 1 + float(((x[2:] - 0.5) ** 2).sum())
    a, b = x[0] * math.pi / 2, x[1] * math.pi / 2
    return {
        "f0": far * math.cos(a) * math.cos(b),
        "f1": far * math.cos(a) * math.sin(b),
        "f2": far * math.sin(a),
    }


def _dtlz7(values: Mapping[str, Any]) -> dict[str, float]:
    x = _x(values)
    g = 1 + 9 * float(x[2:].mean())
    h = 3 - sum(float(x[i]) / (1 + g) * (1 + math.sin(3 * math.pi * x[i])) for i in range(2))
    return {"f0": float(x[0]), "f1": float(x[1]), "f2": (1 + g) * h}


def _under_curve(curve: Callable[[Array], Array], reference: tuple[float, float]) -> float:
    """Of a fine curve, by its running minimum."""
    x = np.linspace(0.0, 1.0, ON_CURVE)
    lowest = np.minimum(np.minimum.accumulate(curve(x)), reference[1])
    ends = np.append(x[1:], reference[0])
    return float(((ends - x) * (reference[1] - lowest)).sum())


def _under_dtlz7(reference: tuple[float, float, float]) -> float:
    """Where g is 1, by a fine grid of the first two objectives."""
    f = np.linspace(0.0, 1.0, ON_GRID)
    part = f * (1 + np.sin(3 * np.pi * f)) / 2.0
    third = 2.0 * (3.0 - part[:, None] - part[None, :])
    lowest = np.minimum(np.minimum.accumulate(np.minimum.accumulate(third, axis=0), axis=1), reference[2])
    widths = np.append(np.diff(f), reference[0] - 1.0)
    return float((widths[:, None] * widths[None, :] * (reference[2] - lowest)).sum())
