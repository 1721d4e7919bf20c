"""Parts of a space in which the best configuration is not: where a search looks that gets nowhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.search.constraints import Floats, Mask
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.history import History

DISTANCE = 0.2  # from the best one's position, beyond which another optimum may lie
BEST_ONES = 1024  # observations among which a niche's best is looked for
NEWEST_ONES = 1024  # observations by which is judged what was tried least
CHOICE_SHARE = 0.75  # share of the niches that are another choice, where there are choices
PARENT_WEIGHT = 2.0  # of a choice on which other parameters hang: it opens a part that was never looked at


@dataclass(frozen=True, slots=True)
class Niche:
    """The rows with a certain choice, or with a number far from the best one's.

    Args:
        column: of the parameter.
        value: the choice, or the position of the best.
        centre: place of the best observation of the niche, or of all where it has none.
    """

    encoding: Encoding
    column: int
    value: float
    centre: int

    @property
    def is_choice(self) -> bool:
        """Whether it is a choice, not a range of numbers."""
        return bool(self.encoding.is_choice[self.column])

    def contains(self, V: Floats) -> Mask:
        """(n,) whether each row lies in the niche; a row in which its parameter is inactive does not."""
        if self.is_choice:
            return np.asarray(V[:, self.column] == self.value)
        away = np.abs(self.encoding.positions(V)[:, self.column] - self.value) > DISTANCE
        return away & ~np.isnan(V[:, self.column])

    def legal(self, rng: np.random.Generator, V: Floats) -> Floats:
        """(m, d) those rows of the niche, m <= n, that come of `V` (n, d) by its choice.

        Parameters that become active by it have any value.
        """
        if self.is_choice and len(V):
            anything = self.encoding.from_uniform(rng.random(V.shape), keep_inactive=True)
            Z = self.encoding.positions(np.where(np.isnan(V), anything, V))
            Z[:, self.column] = self.value
            V = self.encoding.from_positions(Z)
            V = V[self.encoding.constraints.allowed(V)]
        return V[self.contains(V)]


def draw_niche(encoding: Encoding, history: History, rng: np.random.Generator) -> Niche | None:
    """A niche, the likelier the less was seen of it; None where the space has none."""
    best = history.rows[history.best(1)[0]]
    numbers = [int(j) for j in np.flatnonzero(~np.isnan(best)) if not encoding.is_choice[j]]
    if not numbers or rng.random() < CHOICE_SHARE:
        niche = draw_other_choice(encoding, history, rng)
        if niche is not None or not numbers:
            return niche
    return _far_numbers(encoding, history, int(rng.choice(numbers)))


def draw_other_choice(encoding: Encoding, history: History, rng: np.random.Generator) -> Niche | None:
    """A niche with another choice than the best one's; None where the best one has no choices."""
    best = history.rows[history.best(1)[0]]
    choices = [int(j) for j in encoding.choice_columns if not np.isnan(best[j]) and encoding.sizes[j] > 1]
    return _another_choice(encoding, history, choices, rng) if choices else None


def _another_choice(
    encoding: Encoding, history: History, columns: list[int], rng: np.random.Generator
) -> Niche:
    places = history.best(BEST_ONES)
    best = history.rows[places[0]]
    ends = np.cumsum(encoding.sizes[columns].astype(np.intp))
    starts = ends - encoding.sizes[columns].astype(np.intp)
    weights = _weights(encoding, history, columns, starts, int(ends[-1]))
    weights[starts + best[columns].astype(np.intp)] = 0.0
    drawn = int(rng.choice(len(weights), p=weights / weights.sum()))
    place = int(np.searchsorted(ends, drawn, side="right"))
    column, value = columns[place], drawn - int(starts[place])
    inside = np.flatnonzero(history.rows[places, column] == value)
    centre = places[inside[0]] if len(inside) else places[0]
    return Niche(encoding, column, float(value), int(centre))


def _weights(
    encoding: Encoding, history: History, columns: list[int], starts: NDArray[np.intp], count: int
) -> Floats:
    """(count,) weights of the choices of all columns in turn: the less tried lately, the more."""
    tried = history.rows[-NEWEST_ONES:, columns] + starts
    seen = np.bincount(tried[~np.isnan(tried)].astype(np.intp), minlength=count)
    parents = np.array([encoding.constraints.is_parent(column) for column in columns])
    weights = np.where(parents, PARENT_WEIGHT, 1.0)
    return np.asarray(np.repeat(weights, np.diff(np.append(starts, count))) / (1.0 + seen))


def _far_numbers(encoding: Encoding, history: History, column: int) -> Niche | None:
    places = history.best(BEST_ONES)
    V = history.rows[places]
    niche = Niche(encoding, column, float(encoding.positions(V[:1])[0, column]), int(places[0]))
    inside = np.flatnonzero(niche.contains(V))
    return Niche(encoding, column, niche.value, int(places[inside[0]])) if len(inside) else None
