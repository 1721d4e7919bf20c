"""Problems with a known best value, told to every method in its own words. Needs numpy alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Values = dict[str, Any]


@dataclass(frozen=True)
class Parameter:
    """A number between bounds, or one of some choices.

    Args:
        kind: "float", "int" or "choice".
        when: a choice before it and those of its values where this one has a meaning; always without.
    """

    name: str
    kind: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    choices: tuple[str, ...] = ()
    when: tuple[str, tuple[str, ...]] | None = None

    def place(self, value: Any) -> float:
        """Of a number, between its bounds, in [0, 1]."""
        scale = math.log if self.log else float
        return (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))

    def draw(self, random: np.random.Generator) -> Any:
        """A value, evenly."""
        if self.kind == "choice":
            return self.choices[int(random.integers(len(self.choices)))]
        share = float(random.random())
        if self.log:
            value = math.exp(math.log(self.low) + share * math.log(self.high / self.low))
        else:
            value = self.low + share * (self.high - self.low)
        return int(min(round(value), self.high)) if self.kind == "int" else value


@dataclass(frozen=True)
class PeerProblem:
    """To be minimised.

    Args:
        best: the lowest value there is.
        value: at a configuration; None where it fails.
    """

    name: str
    space: tuple[Parameter, ...]
    best: float
    value: Callable[[Values], float | None]

    def regret(self, value: float) -> float:
        """0 at the best value, 1 at the median of random ones."""
        random = np.random.default_rng(12345)
        drawn = [self.value({one.name: one.draw(random) for one in self.space}) for _ in range(1001)]
        reference = float(np.median([one for one in drawn if one is not None]))
        return max(0.0, (value - self.best) / (reference - self.best))


def _ackley(places: list[float]) -> float:
    """0 where all are 0.37, off the middle and off any grid; `places` in [0, 1]."""
    away = [20.0 * (place - 0.37) for place in places]
    mean_square = sum(one * one for one in away) / len(away)
    waves = sum(math.cos(2 * math.pi * one) for one in away) / len(away)
    return 20.0 + math.e - 20.0 * math.exp(-0.2 * math.sqrt(mean_square)) - math.exp(waves)


_FLOATS = tuple(Parameter(f"x{index}", "float") for index in range(10))
_MIXED = (
    Parameter("rate", "float", 1e-5, 1e-1, log=True),
    Parameter("drop", "float"),
    Parameter("decay", "float", 1e-6, 1e-2, log=True),
    Parameter("units", "int", 8, 512, log=True),
    Parameter("layers", "int", 1, 12),
    Parameter("batch", "int", 16, 1024, log=True),
    Parameter("activation", "choice", choices=("relu", "tanh", "elu", "gelu")),
    Parameter("optimizer", "choice", choices=("sgd", "adam", "rmsprop", "adagrad", "lion")),
)
_RIGHT = {"activation": "elu", "optimizer": "adam"}
_HARTMANN = (
    np.array([1.0, 1.2, 3.0, 3.2]),
    np.array(
        [
            [10, 3, 17, 3.5, 1.7, 8],
            [0.05, 10, 17, 0.1, 8, 14],
            [3, 3.5, 1.7, 10, 17, 8],
            [17, 8, 0.05, 10, 0.1, 14],
        ]
    ),
    1e-4
    * np.array(
        [
            [1312, 1696, 5569, 124, 8283, 5886],
            [2329, 4135, 8307, 3736, 1004, 9991],
            [2348, 1451, 3522, 2883, 3047, 6650],
            [4047, 8828, 8732, 5743, 1091, 381],
        ]
    ),
)


def _hartmann(values: Values) -> float:
    weights, scales, centres = _HARTMANN
    point = np.array([values[f"x{index}"] for index in range(6)])
    return -float(weights @ np.exp(-(scales * (point - centres) ** 2).sum(axis=1)))


def _network(values: Values) -> float:
    """As a network's error might depend on eight settings; a wrong choice costs, and moves nothing else."""
    numbers = [one for one in _MIXED if one.kind != "choice"]
    away = sum((one.place(values[one.name]) - _NICE[one.name]) ** 2 for one in numbers)
    wrong = sum(values[name] != right for name, right in _RIGHT.items())
    return away + 0.15 * wrong


_NICE = {  # values that the integers take too, so that 0 is reached
    one.name: one.place(value) for one, value in zip(_MIXED, (3e-3, 0.2, 1e-4, 180, 5, 96), strict=False)
}


def _failing(values: Values) -> float | None:
    """The same, and no result where a high rate meets many layers, close to the best."""
    rate, layers = (_MIXED[index].place(values[_MIXED[index].name]) for index in (0, 4))
    return None if rate + layers > 1.05 else _network(values)


PROBLEMS = {
    one.name: one
    for one in (
        PeerProblem("hartmann6", _FLOATS[:6], -3.32237, _hartmann),
        PeerProblem("ackley10", _FLOATS, 0.0, lambda values: _ackley(list(values.values()))),
        PeerProblem("network", _MIXED, 0.0, _network),
        PeerProblem("failing", _MIXED, 0.0, _failing),
    )
}
