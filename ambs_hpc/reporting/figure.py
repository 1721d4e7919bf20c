"""The figure of a campaign; the one file that imports matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ambs_hpc.errors import UsageError
from ambs_hpc.reporting.series import EndedEvaluation, best_so_far, busy_slots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".pdf", ".svg")
SUCCESS, BEST, FAILURE = "#8fb0d0", "#1f4e79", "#c0392b"


def draw_campaign(
    name: str,
    direction: str,
    ended: Sequence[EndedEvaluation],
    file: Path,
    imported: Sequence[float] = (),
) -> None:
    """Write objective, best so far and running evaluations against time to `file`.

    Args:
        imported: objectives of elsewhere, which have no time here; they are drawn at its beginning.

    Raises:
        UsageError: the suffix is none of .png, .pdf, .svg, or matplotlib is missing.
    """
    figure = blank_figure(file, (8, 6))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _draw_objectives(above, direction, ended)
    if imported:
        _draw_imported(above, direction, imported)
    above.legend(loc="best", frameon=False)
    _draw_busy(below, ended)
    # A name with two $ in it is no formula.
    above.set_title(f"{name}: {len(ended)} evaluations ended", parse_math=False)
    figure.savefig(file, dpi=150)


def blank_figure(file: Path, inches: tuple[float, float]) -> Figure:
    """A figure to be drawn on and saved to `file`.

    Raises:
        UsageError: the suffix is none of .png, .pdf, .svg, or matplotlib is missing.
    """
    if file.suffix not in FORMATS:
        raise UsageError(f"{file}: the suffix of a figure must be one of {', '.join(FORMATS)}.")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError(
            "Figures need matplotlib: pip install 'ambs-hpc[figures]'; or ambs report, which needs nothing."
        ) from error
    return Figure(figsize=inches, layout="constrained")


def _draw_objectives(axes: Axes, direction: str, ended: Sequence[EndedEvaluation]) -> None:
    curve = best_so_far(ended, direction)
    minutes = curve.elapsed_seconds / 60
    axes.plot(minutes, curve.objective, "o", color=SUCCESS, markersize=4, label="evaluation")
    axes.step(minutes, curve.best, where="post", color=BEST, label="best so far")
    first = min((one.started_at for one in ended), default=0.0)
    failed = [(one.finished_at - first) / 60 for one in ended if one.objective is None]
    if failed:
        floor = np.full(len(failed), 0.02)
        axes.plot(failed, floor, "x", color=FAILURE, transform=axes.get_xaxis_transform(), label="failed")
    broken = [one for one in ended if one.objective is not None and not one.is_feasible]
    if broken:
        at = [(one.finished_at - first) / 60 for one in broken]
        values = [one.objective or 0.0 for one in broken]
        axes.plot(at, values, "x", color=SUCCESS, markersize=4, label="infeasible")
    axes.set_ylabel(f"objective ({direction}d)")


def _draw_imported(axes: Axes, direction: str, imported: Sequence[float]) -> None:
    leading = min(imported) if direction == "minimize" else max(imported)
    at = [0.0] * len(imported)
    axes.plot(at, imported, "o", color=BEST, fillstyle="none", markersize=4, label="imported")
    axes.axhline(leading, color=BEST, linestyle=":", linewidth=1, label="best imported")


def _draw_busy(axes: Axes, ended: Sequence[EndedEvaluation]) -> None:
    at, running = busy_slots(ended)
    axes.fill_between(at / 60, running, step="post", color=SUCCESS)
    axes.set_ylabel("running")
    axes.set_xlabel("minutes since the first start")
