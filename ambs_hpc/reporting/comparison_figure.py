"""The figure of a comparison: best so far against evaluations and against node-hours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ambs_hpc.reporting.comparison import Band, ComparedGroup
from ambs_hpc.reporting.figure import blank_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_comparison(groups: Sequence[ComparedGroup], direction: str, file: Path) -> None:
    """Write a panel for evaluations and one for node-hours; a band is the range over a group's campaigns.

    Raises:
        UsageError: the suffix is none of .png, .pdf, .svg, or matplotlib is missing.
    """
    figure = blank_figure(file, (10, 4.5))
    left, right = figure.subplots(1, 2, sharey=True)
    for one in groups:
        number = f" ({len(one.campaigns)} seeds)" if len(one.campaigns) > 1 else ""
        _draw(left, one.by_evaluations, f"{one.label}{number}", is_band=len(one.campaigns) > 1)
        _draw(right, one.by_node_hours, "", is_band=len(one.campaigns) > 1)
    left.set_xlabel("evaluations ended")
    left.set_ylabel(f"best objective so far ({direction}d)")
    right.set_xlabel("node-hours")
    for text in left.legend(loc="best", frameon=False).get_texts():
        text.set_parse_math(False)  # a name with two $ in it is no formula
    figure.savefig(file, dpi=150)


def _draw(axes: Axes, band: Band, label: str, *, is_band: bool) -> None:
    (line,) = axes.step(band.at, band.median, where="post", label=label)
    if is_band:
        axes.fill_between(band.at, band.low, band.high, step="post", alpha=0.2, color=line.get_color())
