"""On which nodes attempts ran: their rows name the first one, and how many others there were."""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_SEVERAL = re.compile(r"(.*)\+(\d+)\Z")


@dataclass(frozen=True, slots=True)
class Run:
    """An attempt as it lay in time.

    Args:
        node: as its row names it: "n1", of several nodes "n1+3"; empty where it is not known.
        nodes: how many it had.
    """

    start: float
    end: float
    node: str
    nodes: int


@dataclass
class _NodeRuns:
    """When something ran on a node: starts, ascending, and the latest end of those up to each."""

    spans: list[tuple[float, float]] = field(default_factory=list)
    latest: list[float] = field(default_factory=list)
    large: list[tuple[float, float]] = field(default_factory=list)  # placed here, few

    def close(self) -> None:
        """All of `spans` are there."""
        self.spans.sort()
        for _, end in self.spans:
            self.latest.append(max(end, self.latest[-1] if self.latest else end))

    def is_free(self, start: float, end: float) -> bool:
        place = bisect_left(self.spans, (end, float("-inf")))
        if place and self.latest[place - 1] > start:
            return False
        return all(one[1] <= start or one[0] >= end for one in self.large)


def places(runs: Sequence[Run], nodes: Sequence[str]) -> list[tuple[str, ...]]:
    """The nodes of each run, in the order of `runs`.

    The others of several nodes, and those of runs without a name, are the next ones that were free all the
    time; which they were really is not stored. Sums over all nodes do not depend on that.

    Args:
        nodes: of the launcher, not empty.
    """
    busy: Mapping[str, _NodeRuns] = {name: _NodeRuns() for name in nodes}
    heads = [_head(one.node, busy) for one in runs]
    for one, head in zip(runs, heads, strict=True):
        if head is not None:
            busy[head].spans.append((one.start, one.end))
    for each in busy.values():
        each.close()
    found: list[tuple[str, ...]] = [() if head is None else (head,) for head in heads]
    lacking = [index for index, one in enumerate(runs) if len(found[index]) < min(one.nodes, len(nodes))]
    for index in sorted(lacking, key=lambda place: (runs[place].start, place)):
        found[index] = _completed(runs[index], found[index], nodes, busy)
    return found


def _head(name: str, busy: Mapping[str, _NodeRuns]) -> str | None:
    if several := _SEVERAL.match(name):
        name = several[1]
    return name if name in busy else None


def _completed(
    run: Run, head: tuple[str, ...], nodes: Sequence[str], busy: Mapping[str, _NodeRuns]
) -> tuple[str, ...]:
    first = nodes.index(head[0]) if head else 0
    others = [name for name in (*nodes[first:], *nodes[:first]) if name not in head]
    others.sort(key=lambda name: not busy[name].is_free(run.start, run.end))  # stable: neighbours first
    chosen = others[: run.nodes - len(head)]
    for name in chosen:
        insort(busy[name].large, (run.start, run.end))
    return (*head, *chosen)
