"""Sums over the ledger, as scripts read them and as tables whose shown numbers add up."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

from ambs_hpc.insight.ledger.book import Entry, Ledger
from ambs_hpc.insight.ledger.uses import Use

Key = TypeVar("Key", bound=Hashable)

# Columns of the tables by allocation, campaign and node: groups of uses; one with the name of a use is it.
GROUPS: Mapping[str, frozenset[Use]] = {
    "useful": frozenset({Use.USEFUL}),
    "going on": frozenset({Use.RUNNING, Use.PAUSED}),
    "failed, cancelled": frozenset({Use.RETRIED, Use.FAILED, Use.CANCELLED}),
    "lost": frozenset({Use.WALLTIME, Use.STOPPED, Use.LOST}),
    "start, end": frozenset({Use.START_UP, Use.WIND_DOWN, Use.LAUNCHER_DEAD, Use.NO_LAUNCHER}),
}
IDLE = "idle"  # the group of all others


def totals(entries: Sequence[Entry], key: Callable[[Entry], Key]) -> dict[Key, dict[Use, float]]:
    """Seconds by key and use, in the order of uses."""
    found: dict[Key, dict[Use, float]] = {}
    for one in entries:
        uses = found.setdefault(key(one), {})
        uses[one.use] = uses.get(one.use, 0.0) + one.seconds
    order = {use: place for place, use in enumerate(Use)}
    return {name: dict(sorted(uses.items(), key=lambda one: order[one[0]])) for name, uses in found.items()}


def grouped(uses: Mapping[Use, float]) -> dict[str, float]:
    """The same by group."""
    found = dict.fromkeys(("useful", "going on", "failed, cancelled", "lost", IDLE, "start, end"), 0.0)
    for use, seconds in uses.items():
        found[next((name for name, group in GROUPS.items() if use in group), IDLE)] += seconds
    return found


def as_json(ledger: Ledger) -> dict[str, object]:
    """All sums, in node-seconds; times are seconds since 1970 UTC."""
    entries = ledger.entries
    by_holding = totals(entries, lambda one: id(one.holding))
    by_node = totals(entries, lambda one: (id(one.holding), one.node))
    everything = totals(entries, lambda _one: None).get(None, {})
    return {
        "node_seconds": ledger.node_seconds,
        "uses": everything,
        "campaigns": [
            {"name": name, "node_seconds": sum(uses.values()), "uses": uses}
            for name, uses in totals(entries, lambda one: one.campaign).items()
            if name is not None
        ],
        "nobodys": totals(entries, lambda one: one.campaign).get(None, {}),
        "allocations": [
            {
                "allocation": one.allocation_id,
                "launcher": one.launcher_id,
                "name": one.name,
                "scheduler_id": one.scheduler_id,
                "started_at": one.start,
                "ended_at": one.end,
                "is_over": one.is_over,
                "is_end_told": one.is_end_told,
                "node_seconds": one.node_seconds,
                "uses": by_holding.get(id(one), {}),
                "nodes": [{"node": node, "uses": by_node.get((id(one), node), {})} for node in one.nodes],
            }
            for one in ledger.holdings
        ],
        "left_out": list(ledger.left_out),
    }


def apportioned(values: Sequence[float], decimals: int, total: float | None = None) -> list[float]:
    """The values rounded so that they add up: the largest remainders are rounded up.

    Args:
        values: at least 0.
        total: to which they add up, a rounding of their sum; None for the nearest one.
    """
    unit = 10**decimals
    exact = [value * unit for value in values]
    parts = [math.floor(value) for value in exact]
    lacking = round(sum(exact) if total is None else total * unit) - sum(parts)
    largest = sorted(range(len(parts)), key=lambda place: exact[place] - parts[place], reverse=True)
    for place in largest[: max(0, lacking)]:
        parts[place] += 1
    return [part / unit for part in parts]
