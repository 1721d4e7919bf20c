"""The figure of simulated campaigns: busy slots, best objective, cost per proposal."""

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
class Curves:
    """The curves of one campaign.

    Args:
        label: label of its lines.
        slots: number of slots of the machine.
        busy: (seconds, evaluations running).
        best_so_far: (seconds, best objective).
        ask_costs: (observations, CPU seconds per proposal).
    """

    label: str
    slots: int
    busy: Sequence[tuple[float, float]]
    best_so_far: Sequence[tuple[float, float]]
    ask_costs: Sequence[tuple[float, float]]


def draw_simulations(title: str, campaigns: Sequence[Curves], file: Path) -> None:
    """Write one panel each for busy slots, best objective and cost per proposal.

    Raises:
        UsageError: the suffix is none of .png, .pdf, .svg, or matplotlib is missing.
    """
    figure = blank_figure(file, (8, 9))
    busy, best, cost = figure.subplots(3, 1)
    for one in campaigns:
        minutes, running = _columns(one.busy)
        busy.plot(minutes / 60, 100 * running / one.slots, label=one.label)
        minutes, values = _columns(one.best_so_far)
        best.step(minutes / 60, values, where="post", label=one.label)
        observations, seconds = _columns(one.ask_costs)
        cost.plot(observations, 1000 * seconds, ".", markersize=3, label=one.label)
    _name(busy, "minutes since the first start", "slots busy (%)")
    busy.set_ylim(0, 105)
    _name(best, "minutes since the first start", "best objective")
    _name(cost, "observations", "CPU ms per proposal")
    cost.set_yscale("log")
    busy.set_title(title)
    busy.legend(loc="lower left", frameon=False)
    figure.savefig(file, dpi=150)


def _columns(pairs: Sequence[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(pairs, dtype=float).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _name(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
