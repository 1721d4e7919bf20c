"""Points of the unit cube by their ordinal: random, Latin hypercube, Sobol (by scipy)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from ambs_hpc.errors import UsageError, nearest
from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.streams import Stream, generator

LATIN_BLOCK = 64  # points that stratify every axis together, where their number is not known beforehand
SOBOL_BLOCK = 256


class Design(Protocol):
    """A sequence of points with random access."""

    def point(self, ordinal: int) -> Floats:
        """(d,) in [0, 1), the same for the same ordinal."""
        ...


def create_design(name: str, dimensions: int, seed: int, block: int = LATIN_BLOCK) -> Design:
    """The design of that name.

    Args:
        name: one of `DESIGNS`.
        block: points of one Latin hypercube; after them a new one begins.

    Raises:
        UsageError: there is no such design.
    """
    if name not in FACTORIES:
        raise UsageError(f"design {name!r} does not exist. {nearest(name, FACTORIES)}")
    return FACTORIES[name](dimensions, seed, block)


class RandomDesign:
    """Independent uniform points."""

    def __init__(self, dimensions: int, seed: int) -> None:
        self._dimensions, self._seed = dimensions, seed

    def point(self, ordinal: int) -> Floats:
        """An independent uniform point."""
        return generator(self._seed, Stream.DESIGN, ordinal).random(self._dimensions)


class LatinHypercube:
    """Blocks of points, each block with one point in every slice of every axis.

    Source: McKay, Beckman, Conover (1979), Technometrics 21(2).
    """

    def __init__(self, dimensions: int, seed: int, block: int) -> None:
        self._dimensions, self._seed, self._size = dimensions, seed, block
        self._number, self._points = -1, np.zeros((0, dimensions))

    def point(self, ordinal: int) -> Floats:
        """The point of the hypercube that contains the ordinal."""
        number, place = divmod(ordinal, self._size)
        if number != self._number:
            rng = generator(self._seed, Stream.DESIGN, number)
            slices = rng.permuted(np.tile(np.arange(self._size), (self._dimensions, 1)), axis=1).T
            self._points = (slices + rng.random(slices.shape)) / self._size
            self._number = number
        found: Floats = self._points[place]
        return found


class Sobol:
    """A scrambled Sobol sequence.

    Source: Owen (1998), "Scrambling Sobol' and Niederreiter-Xing points".
    """

    def __init__(self, dimensions: int, seed: int) -> None:
        self._dimensions, self._seed = dimensions, seed
        self._number, self._points = -1, np.zeros((0, dimensions))

    def point(self, ordinal: int) -> Floats:
        """The point of the scrambled sequence."""
        number, place = divmod(ordinal, SOBOL_BLOCK)
        if number != self._number:
            from scipy.stats import qmc

            sequence = qmc.Sobol(self._dimensions, seed=self._seed)
            if number:
                sequence.fast_forward(number * SOBOL_BLOCK)
            self._points = sequence.random(SOBOL_BLOCK)
            self._number = number
        found: Floats = self._points[place]
        return found


FACTORIES: Mapping[str, Callable[[int, int, int], Design]] = {  # from dimensions, seed and block
    "random": lambda dimensions, seed, _: RandomDesign(dimensions, seed),
    "lhs": LatinHypercube,
    "sobol": lambda dimensions, seed, _: Sobol(dimensions, seed),
}
DESIGNS: tuple[str, ...] = tuple(FACTORIES)
