"""Objectives whose best value is known."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping

from ambs_hpc.records import Configuration

Objective = Callable[[Configuration], float]


def ackley(configuration: Configuration) -> float:
    """Ackley's function, >= 0 and 0 at the origin; to be minimised.

    Published rows maximise its negative over [-32.768, 32.768] in 5 dimensions.
    """
    values = [float(value) for value in configuration.values()]
    mean_square = sum(value * value for value in values) / len(values)
    waves = sum(math.cos(2 * math.pi * value) for value in values) / len(values)
    return 20.0 + math.e - 20.0 * math.exp(-0.2 * math.sqrt(mean_square)) - math.exp(waves)


def minus_ackley(configuration: Configuration) -> float:
    """The negative of Ackley's function, to be maximised; best 0."""
    return -ackley(configuration)


def sphere(configuration: Configuration) -> float:
    """The sum of squares; to be minimised, best 0."""
    return sum(float(value) ** 2 for value in configuration.values())


class Bowl:
    """A model of an accuracy over any space: best at one configuration, falling smoothly with the distance.

    Numbers count by their place between their bounds, choices by being the right one; parameters weigh
    differently, the first most. It is a model: it says nothing about the problem whose space it borrows.

    Args:
        space: as `ambs_hpc.problem.build_space` takes it: tuples for numbers, lists for choices.
        sharpness: > 0, how fast it falls.
        best: places between the bounds, in [0, 1], of the best values of some numbers; others are drawn.
        peak: the best value.
    """

    def __init__(
        self,
        space: Mapping[str, object],
        sharpness: float = 3.0,
        best: Mapping[str, float] | None = None,
        peak: float = 1.0,
    ) -> None:
        self._sharpness, self._peak = sharpness, peak
        self._parts: list[tuple[str, Callable[[object], float], float]] = []
        for index, (name, choice) in enumerate(space.items()):
            drawn = (zlib.crc32(f"0 {name}".encode()) % 10_000) / 10_000
            weight = 1.0 / (1 + index)
            if isinstance(choice, tuple):
                place = (best or {}).get(name, 0.1 + 0.8 * drawn)
                self._parts.append((name, _distance(choice, place), weight))
            elif isinstance(choice, list):
                self._parts.append((name, _mismatch(choice[int(drawn * len(choice))]), weight))
        self._total = sum(weight for _, _, weight in self._parts)

    def __call__(self, configuration: Configuration) -> float:
        """The value at a configuration."""
        distance = sum(
            weight * away(configuration[name]) for name, away, weight in self._parts if name in configuration
        )
        return self._peak * math.exp(-self._sharpness * distance / self._total)


def _distance(bounds: tuple[object, ...], best: float) -> Callable[[object], float]:
    scale: Callable[[float], float] = math.log if len(bounds) == 3 else float
    low, high = scale(float(bounds[0])), scale(float(bounds[1]))  # type: ignore[arg-type]  # numbers

    def away(value: object) -> float:
        place = (scale(float(value)) - low) / (high - low)  # type: ignore[arg-type]  # a number too
        return (place - best) ** 2 * 4

    return away


def _mismatch(best: object) -> Callable[[object], float]:
    return lambda value: 0.0 if value == best else 1.0
