"""One node's time, divided among what occupied it; the rest is what its launcher did meanwhile."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ambs_hpc.insight.ledger.uses import Use


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a node's time counts as where nothing occupies it, from `start` to `end`."""

    start: float
    end: float
    use: Use


@dataclass(frozen=True, slots=True)
class Occupation:
    """An attempt on a node; `share` of the node, in (0, 1]."""

    start: float
    end: float
    share: float
    use: Use
    campaign: str


Spent = Mapping[tuple[str | None, Use], float]  # seconds by campaign (None for nobody's) and use


def spent(background: Sequence[Stretch], occupations: Sequence[Occupation]) -> Spent:
    """The node's seconds by campaign and use; their sum is the length of the background.

    Where attempts occupy more than the node has, because clocks differ or processors are shared, each counts
    for less.

    Args:
        background: in order, without gaps.
        occupations: in any order; what lies outside of the background does not count.
    """
    total: dict[tuple[str | None, Use], float] = defaultdict(float)
    if not background:
        return total
    first, last = background[0].start, background[-1].end
    inside = [
        (max(first, one.start), min(last, one.end), one)
        for one in occupations
        if min(last, one.end) > max(first, one.start)
    ]
    moments = sorted(
        [(start, 1, place) for place, (start, _, _) in enumerate(inside)]
        + [(end, 0, place) for place, (_, end, _) in enumerate(inside)]
        + [(one.end, 2, 0) for one in background]
    )
    active: dict[int, Occupation] = {}
    at, stretch = first, 0
    for moment, kind, place in moments:
        if moment > at:
            _divide(total, moment - at, background[stretch].use, active)
            at = moment
        if kind == 1:
            active[place] = inside[place][2]
        elif kind == 0:
            active.pop(place, None)
        elif stretch < len(background) - 1:
            stretch += 1
    return total


def _divide(
    total: dict[tuple[str | None, Use], float], seconds: float, idle: Use, active: Mapping[int, Occupation]
) -> None:
    occupied = sum(one.share for one in active.values())
    scale = 1.0 / max(1.0, occupied)
    left = seconds
    for one in active.values():
        part = seconds * one.share * scale
        total[one.campaign, one.use] += part
        left -= part
    if occupied < 1.0 - 1e-9:
        total[None, idle] += left
