"""The figure of a campaign with several objectives: each pair of them, with the front."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ambs_hpc.reporting.figure import BEST, FAILURE, SUCCESS, blank_figure
from ambs_hpc.reporting.front_points import FrontPoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ambs_hpc.problem.goals import Goals

ACROSS = 3  # panels beside each other


def draw_front(name: str, goals: Goals, points: Sequence[FrontPoint], file: Path) -> None:
    """Write each pair of objectives against each other to `file`, with the front and what is infeasible.

    Raises:
        UsageError: the suffix is none of .png, .pdf, .svg, or matplotlib is missing.
    """
    pairs = list(combinations(range(len(goals.names)), 2))
    across = min(len(pairs), ACROSS)
    down = -(-len(pairs) // across)
    figure = blank_figure(file, (max(6.0, 4.0 * across), max(4.5, 3.6 * down)))
    panels = figure.subplots(down, across, squeeze=False).flatten()
    for axes, pair in zip(panels, pairs, strict=False):
        _draw_pair(axes, goals, points, pair)
    for axes in panels[len(pairs) :]:
        axes.set_axis_off()
    panels[0].legend(loc="best", frameon=False)
    on_front = sum(one.is_on_front for one in points)
    figure.suptitle(f"{name}: {len(points)} results, {on_front} on the front", parse_math=False)
    figure.savefig(file, dpi=150)


def _draw_pair(axes: Axes, goals: Goals, points: Sequence[FrontPoint], pair: tuple[int, int]) -> None:
    x, y = pair
    feasible = [one.values for one in points if one.verdict != "no" and not one.is_on_front]
    infeasible = [one.values for one in points if one.verdict == "no"]
    front = sorted(one.values for one in points if one.is_on_front)
    for values, marker, colour, label in (
        (feasible, "o", SUCCESS, "result"),
        (infeasible, "x", FAILURE, "infeasible"),
        (front, "o", BEST, "front"),
    ):
        if values:
            axes.plot(
                [v[x] for v in values],
                [v[y] for v in values],
                marker,
                color=colour,
                markersize=4,
                label=label,
            )
    if len(goals.names) == 2 and front:
        axes.step([v[x] for v in front], [v[y] for v in front], where=_where(goals), color=BEST, linewidth=1)
    names = [f"{one} ({direction}d)" for one, direction in goals.directions.items()]
    axes.set_xlabel(names[x], parse_math=False)
    axes.set_ylabel(names[y], parse_math=False)


def _where(goals: Goals) -> Literal["pre", "post"]:
    """On which side of the front's points lies what they dominate."""
    return "post" if next(iter(goals.directions.values())) == "minimize" else "pre"
