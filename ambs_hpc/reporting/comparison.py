"""Campaigns beside each other: best so far against evaluations and node-hours; nothing is drawn here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.search.objectives.growing_volume import GrowingVolume

Array = NDArray[np.float64]

# net-1, net_seed2, net.s3: one name and a seed's number; resnet50 is a name.
_SEEDED = re.compile(r".+?(?:[-_.]?seed[-_.]?|[-_.]s?)(?P<seed>\d+)", re.IGNORECASE)
_GRID_POINTS = 200  # of node-hours


@dataclass(frozen=True, slots=True)
class ComparedCampaign:
    """A campaign to be compared.

    Args:
        label: unique among those compared.
        group: campaigns of the same text may be one method with several seeds.
        objectives: (n,) of its evaluations in order of ending, NaN for those that failed or that are not
            known to keep the constraints.
        node_hours: (n,) of each, and of what else was paid for before it ended.
        later_hours: node-hours that were paid for after the last of them.
        imported: number of results of elsewhere that it knew.
        failures: how many failed; None where that is all that are NaN.
        outside: of how many of its `results` it is known that they lie outside of its newest space, which was
            revised.
        costs: (n, m) all objectives, to be minimised, NaN as in `objectives`; None where they do not matter.
    """

    label: str
    group: str
    objectives: Array
    node_hours: Array
    later_hours: float = 0.0
    imported: int = 0
    failures: int | None = None
    outside: int = 0
    results: int = 0
    costs: Array | None = None


@dataclass(frozen=True, slots=True)
class Band:
    """Best so far of a group over its campaigns, each (n,); NaN before the first success of any of them."""

    at: Array
    median: Array
    low: Array
    high: Array


@dataclass(frozen=True, slots=True)
class ComparedGroup:
    """One line of a comparison.

    Args:
        label: name of the campaign, or what the names of its campaigns have in common.
        campaigns: their labels.
        by_evaluations: against the number of ended evaluations, as far as the shortest has come.
        by_node_hours: against node-hours, as far as the shortest has come.
        evaluations, failures, node_hours, imported: of each campaign.
        infeasible: of each campaign, results that are not known to keep its constraints.
        best: of each campaign, NaN where nothing succeeded.
    """

    label: str
    campaigns: tuple[str, ...]
    by_evaluations: Band
    by_node_hours: Band
    evaluations: tuple[int, ...]
    failures: tuple[int, ...]
    infeasible: tuple[int, ...]
    node_hours: tuple[float, ...]
    imported: tuple[int, ...]
    best: tuple[float, ...]


def name_of_seeds(name: str) -> str:
    """The name with `*` for the number of a seed at its end, or the name itself."""
    found = _SEEDED.fullmatch(name)
    return f"{name[: found.start('seed')]}*" if found else name


def compare_campaigns(campaigns: Sequence[ComparedCampaign], direction: str) -> list[ComparedGroup]:
    """Campaigns in groups, in the order given; one that is alone in its group keeps its own label.

    Args:
        direction: "minimize" or "maximize", of all of them.
    """
    members: dict[str, list[ComparedCampaign]] = {}
    for one in campaigns:
        members.setdefault(one.group, []).append(one)
    return [_group(group, each, direction) for group, each in members.items()]


def with_volumes(campaigns: Sequence[ComparedCampaign]) -> tuple[list[ComparedCampaign], Array]:
    """The campaigns with the volumes that they dominated so far as objectives, and the reference (m,) of all.

    That is the worst cost of each objective among all their results, so that the volumes can be compared.
    """
    costs = [one.costs for one in campaigns if one.costs is not None]
    known = np.concatenate(costs)
    known = known[np.isfinite(known).all(axis=1)]
    reference: Array = known.max(axis=0) if len(known) else np.zeros(known.shape[1])
    found = []
    for one, Y in zip(campaigns, costs, strict=True):
        volumes = GrowingVolume(Y, reference).so_far()
        found.append(replace(one, objectives=np.where(np.isnan(one.objectives), np.nan, volumes)))
    return found, reference


def value_at(band: Band, at: float) -> float:
    """The median that was reached by then; NaN before the first point."""
    place = int(np.searchsorted(band.at, at * (1 + 1e-9), side="right")) - 1
    return float(band.median[place]) if place >= 0 else float("nan")


def common_reach(groups: Sequence[ComparedGroup]) -> tuple[int, float]:
    """Evaluations and node-hours that every campaign has reached."""
    return min(min(one.evaluations) for one in groups), min(min(one.node_hours) for one in groups)


def comparison_json(groups: Sequence[ComparedGroup]) -> list[Mapping[str, object]]:
    """The groups as JSON values, with their curves; NaN becomes null."""
    return [
        {
            "name": one.label,
            "campaigns": list(one.campaigns),
            "evaluations": list(one.evaluations),
            "failures": list(one.failures),
            "infeasible": list(one.infeasible),
            "node_hours": list(one.node_hours),
            "imported": list(one.imported),
            "best": _plain(one.best),
            "by_evaluations": _band_json(one.by_evaluations),
            "by_node_hours": _band_json(one.by_node_hours),
        }
        for one in groups
    ]


def _group(group: str, members: Sequence[ComparedCampaign], direction: str) -> ComparedGroup:
    curves = [_best_so_far(one.objectives, direction) for one in members]
    costs = [np.cumsum(one.node_hours) for one in members]
    shortest = min(len(curve) for curve in curves)
    totals = [float(one.node_hours.sum()) + one.later_hours for one in members]
    hours = min(totals)
    grid = np.linspace(0.0, hours, _GRID_POINTS) if hours > 0 else np.zeros(0)
    stepped = [_stepped(cost, curve, grid) for cost, curve in zip(costs, curves, strict=True)]
    missing = [int(np.isnan(one.objectives).sum()) for one in members]
    failures = [
        number if one.failures is None else one.failures for one, number in zip(members, missing, strict=True)
    ]
    return ComparedGroup(
        label=members[0].label if len(members) == 1 else group,
        campaigns=tuple(one.label for one in members),
        by_evaluations=_band(np.arange(1.0, shortest + 1), [curve[:shortest] for curve in curves]),
        by_node_hours=_band(grid, stepped),
        evaluations=tuple(len(curve) for curve in curves),
        failures=tuple(failures),
        infeasible=tuple(one - other for one, other in zip(missing, failures, strict=True)),
        node_hours=tuple(totals),
        imported=tuple(one.imported for one in members),
        best=tuple(float(curve[-1]) if len(curve) else float("nan") for curve in curves),
    )


def _best_so_far(objectives: Array, direction: str) -> Array:
    """(n,) the best after each, NaN before the first success."""
    better = np.fmin if direction == "minimize" else np.fmax
    best: Array = better.accumulate(objectives)
    return best


def _stepped(cost: Array, curve: Array, grid: Array) -> Array:
    """(g,) the curve at the costs of the grid; NaN before the first evaluation has ended."""
    places = np.searchsorted(cost, grid * (1 + 1e-9), side="right")
    values: Array = np.concatenate([[np.nan], curve])[places]
    return values


def _band(at: Array, curves: Sequence[Array]) -> Band:
    table = np.array(curves, dtype=float).reshape(len(curves), -1)  # (campaigns, n)
    # A median of those that have found something would flatter where others have found nothing yet.
    return Band(at, np.median(table, axis=0), np.min(table, axis=0), np.max(table, axis=0))


def _band_json(band: Band) -> Mapping[str, object]:
    return {name: _plain(getattr(band, name)) for name in ("at", "median", "low", "high")}


def _plain(values: Sequence[float] | Array) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
