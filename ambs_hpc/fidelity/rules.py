"""Who runs on from a rung and who pauses there: pure functions of the values on it, lower is better."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ambs_hpc.fidelity.fidelity_range import Fidelity

FULL_RUNS = 4  # evaluations that run to the end whatever their rungs say: these are judged by them
LEAST_OTHERS = 3  # on a rung, before the median pauses


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an evaluation runs on from a rung.

    Args:
        keep: it runs on; else it pauses.
        rank: among all on the rung, 1 is the best; one that comes to a value that others have is behind them.
        of: how many are on the rung, this one included.
        reason: for `ambs show`: "14th of 20 at step 9, of which 6 run on".
    """

    keep: bool
    rank: int
    of: int
    reason: str


class Rule(Protocol):
    """What decides on a campaign's rungs. Values are minimised; None or NaN is one that failed there."""

    fidelity: Fidelity

    def first_rung(self, number: int) -> int:
        """Index of the first rung on which the evaluation of this number (its ordinal) is judged.

        On lower ones it runs on whatever its value is. The last index: it is never paused.
        """
        ...

    def keeps(self, rung_index: int, values: Sequence[float | None], value: float | None) -> Verdict:
        """Whether an evaluation that reaches a rung runs on.

        Args:
            values: of the others that have reached it, in that order, whatever became of them.
            value: its own.
        """
        ...

    def promotable(
        self, rung_index: int, standings: Mapping[int, float | None], paused: Collection[int]
    ) -> tuple[int, ...]:
        """Those of `paused` that may run on by now, the best first.

        Args:
            standings: values of all that have reached the rung, by their ids.
            paused: ids of those that are paused on this rung.
        """
        ...


class SuccessiveHalving:
    """The best 1/eta on a rung run on, and the best of all always does.

    Source: Li et al. (2020), "A system for massively parallel hyperparameter tuning" (ASHA, with promotion).
    An evaluation that is among the best when it comes runs on at once instead of being promoted a moment
    later; and the best on a rung runs on even where fewer than eta are there, so that a short campaign has
    complete evaluations.

    Args:
        shares: of each rung, what share of those that come to it runs on; None for 1/eta on all. One in eta
            is promoted later whatever they are: what paused while rungs were believed was proposed by less
            knowledge than what is proposed now.
    """

    def __init__(self, fidelity: Fidelity, shares: Sequence[float] | None = None) -> None:
        self.fidelity = fidelity
        self._rungs = fidelity.rungs()
        self._shares = [1 / fidelity.eta] * len(self._rungs) if shares is None else list(shares)
        if len(self._shares) != len(self._rungs):
            raise ValueError(f"{len(self._shares)} shares for {len(self._rungs)} rungs")

    def first_rung(self, number: int) -> int:
        return len(self._rungs) - 1 if 0 <= number < FULL_RUNS else 0

    def keeps(self, rung_index: int, values: Sequence[float | None], value: float | None) -> Verdict:
        mine, of = as_number(value), len(values) + 1
        rank, step = _rank(mine, values), self._rungs[rung_index]
        place = f"{_ordinal(rank)} of {of} at step {step}"
        if rung_index == len(self._rungs) - 1:
            return Verdict(True, rank, of, f"{place}, the last")
        if mine == math.inf:
            return Verdict(False, rank, of, f"no number at step {step}")
        count = self._count(of, self._shares[rung_index])
        return Verdict(rank <= count, rank, of, f"{place}, of which {count} run on")

    def promotable(
        self, rung_index: int, standings: Mapping[int, float | None], paused: Collection[int]
    ) -> tuple[int, ...]:
        if rung_index == len(self._rungs) - 1:
            return ()
        among, count = set(paused), self._count(len(standings), 1 / self.fidelity.eta)
        ranked = sorted((as_number(value), one) for one, value in standings.items())
        return tuple(one for value, one in ranked[:count] if one in among and value < math.inf)

    def _count(self, of: int, share: float) -> int:
        """How many of those on a rung run on."""
        return max(1, math.floor(of * share + 1e-9))


class Brackets(SuccessiveHalving):
    """Successive halving that begins at a higher rung for some evaluations, and never for a few.

    An evaluation belongs to a bracket by its number alone, in the proportions of Hyperband: of the bracket
    that begins at rung r as many as give each bracket the same number of steps.

    Source: Li et al. (2018), "Hyperband"; asynchronous as in Li et al. (2020), with rungs shared by brackets.
    """

    def __init__(self, fidelity: Fidelity, shares: Sequence[float] | None = None) -> None:
        super().__init__(fidelity, shares)
        self._order = _bracket_order(_bracket_sizes(self._rungs, fidelity.eta))

    def first_rung(self, number: int) -> int:
        if 0 <= number < FULL_RUNS:
            return len(self._rungs) - 1
        return self._order[number % len(self._order)]


class MedianRule(SuccessiveHalving):
    """Those run on that are no worse than the median of the others on their rung.

    Source: Golovin et al. (2017), "Google Vizier", section 3.2; on rungs instead of after each step, and with
    the values there instead of running averages.
    """

    def keeps(self, rung_index: int, values: Sequence[float | None], value: float | None) -> Verdict:
        found = super().keeps(rung_index, values, value)
        if rung_index == len(self._rungs) - 1 or as_number(value) == math.inf:
            return found
        step, place = self._rungs[rung_index], f"{_ordinal(found.rank)} of {found.of}"
        if len(values) < LEAST_OTHERS:
            return Verdict(True, found.rank, found.of, f"{place} at step {step}, too few for a median")
        keep = as_number(value) <= self._bar(self._shares[rung_index], values)
        told = "no worse" if keep else "worse"
        return Verdict(keep, found.rank, found.of, f"{place} at step {step}, {told} than the median there")

    def promotable(
        self, rung_index: int, standings: Mapping[int, float | None], paused: Collection[int]
    ) -> tuple[int, ...]:
        if rung_index == len(self._rungs) - 1 or not standings:
            return ()
        bar = self._bar(1 / self.fidelity.eta, list(standings.values()))
        able = [(as_number(standings[one]), one) for one in set(paused) if one in standings]
        return tuple(one for value, one in sorted(able) if value <= bar and value < math.inf)

    def _bar(self, share: float, values: Sequence[float | None]) -> float:
        """The median; a higher quantile where a larger share than 1/eta is to run on."""
        eta = self.fidelity.eta
        loosened = max(0.0, (share - 1 / eta) / (1 - 1 / eta))
        ranked = sorted(map(as_number, values))
        place = (0.5 + 0.5 * loosened) * (len(ranked) - 1)
        low, high = ranked[math.floor(place)], ranked[math.ceil(place)]
        return low if low == high else low + (high - low) * (place - math.floor(place))


def as_number(value: float | None) -> float:
    """The value; infinite for one that failed, which is behind all others."""
    return math.inf if value is None or math.isnan(value) else value


def _rank(mine: float, others: Sequence[float | None]) -> int:
    return 1 + sum(as_number(one) <= mine for one in others)


def place_of(one: int, step: int, standings: Mapping[int, float | None]) -> str:
    """As promotions rank it among all on its rung: "3rd of 20 at step 9"; of equals the lower id is ahead."""
    mine = (as_number(standings[one]), one)
    rank = 1 + sum((as_number(value), other) < mine for other, value in standings.items())
    return f"{_ordinal(rank)} of {len(standings)} at step {step}"


def rule_of(fidelity: Fidelity, shares: Sequence[float] | None = None) -> Rule:
    """The rule that the fidelity names.

    Args:
        shares: what share of those that come to each rung runs on, see `keep_shares`; None for 1/eta.
    """
    kinds: dict[str, type[SuccessiveHalving]] = {
        "asha": SuccessiveHalving,
        "hyperband": Brackets,
        "median": MedianRule,
    }
    return kinds[fidelity.rule](fidelity, shares)


def _bracket_sizes(rungs: Sequence[int], eta: int) -> list[int]:
    """How many evaluations of each bracket there are in one round of Hyperband, the lowest first."""
    most = len(rungs) - 1
    return [math.ceil((most + 1) * eta ** (most - first) / (most - first + 1)) for first in range(most + 1)]


def _bracket_order(sizes: Sequence[int]) -> list[int]:
    """A bracket for each evaluation of a round, each evenly spread over it."""
    places = [((made + 0.5) / size, bracket) for bracket, size in enumerate(sizes) for made in range(size)]
    return [bracket for _, bracket in sorted(places)]


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
