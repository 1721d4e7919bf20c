"""The figure of simulated campaigns: busy slots, best objective or dominated volume, cost, and fronts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ambs_hpc.reporting.figure import blank_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class FrontCurves:
    """What a campaign with several objectives found.

    Args:
        names: of the objectives, with their directions.
        volume_so_far: (seconds, share of the largest volume).
        front: the objectives of what no other result dominates.
    """

    names: tuple[str, ...]
    volume_so_far: Sequence[tuple[float, float]]
    front: Sequence[tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Curves:
    """The curves of one campaign.

    Args:
        label: label of its lines.
        slots: number of slots of the machine.
        busy: (seconds, evaluations running).
        best_so_far: (seconds, best objective).
        ask_costs: (observations, CPU seconds per proposal).
        front: of several objectives, in place of the best objective.
    """

    label: str
    slots: int
    busy: Sequence[tuple[float, float]]
    best_so_far: Sequence[tuple[float, float]]
    ask_costs: Sequence[tuple[float, float]]
    front: FrontCurves | None = None


def draw_simulations(title: str, campaigns: Sequence[Curves], file: Path) -> None:
    """Write one panel each for busy slots, best objective or volume, cost per proposal, and fronts if any.

    Raises:
        UsageError: the suffix is none of .png, .pdf, .svg, or matplotlib is missing.
    """
    has_front = any(one.front is not None for one in campaigns)
    figure = blank_figure(file, (8, 12 if has_front else 9))
    panels = figure.subplots(4 if has_front else 3, 1)
    busy, best, cost = panels[:3]
    for one in campaigns:
        minutes, running = _columns(one.busy)
        busy.plot(minutes / 60, 100 * running / one.slots, label=one.label)
        minutes, values = _columns(one.best_so_far if one.front is None else one.front.volume_so_far)
        best.step(minutes / 60, values, where="post", label=one.label)
        observations, seconds = _columns(one.ask_costs)
        cost.plot(observations, 1000 * seconds, ".", markersize=3, label=one.label)
        if one.front is not None:
            _draw_front(panels[3], one.front)
    _name(busy, "minutes since the first start", "slots busy (%)")
    busy.set_ylim(0, 105)
    of_volume = "hypervolume (share of the largest)"
    _name(best, "minutes since the first start", of_volume if has_front else "best objective")
    _name(cost, "observations", "CPU ms per proposal")
    cost.set_yscale("log")
    busy.set_title(title)
    busy.legend(loc="lower left", frameon=False)
    figure.savefig(file, dpi=150)


def _draw_front(axes: Axes, front: FrontCurves) -> None:
    """The first two objectives against each other."""
    points = sorted(front.front)
    axes.plot([one[0] for one in points], [one[1] for one in points], "o", markersize=3)
    axes.set_xlabel(front.names[0], parse_math=False)
    axes.set_ylabel(front.names[1], parse_math=False)


def _columns(pairs: Sequence[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(pairs, dtype=float).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _name(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
