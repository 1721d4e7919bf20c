"""The figures of `deck.py`: bars of methods, lines of sizes, curves of campaigns; published values beside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ambs_hpc.reporting.figure import blank_figure
from ambs_hpc.reporting.simulation_figure import Curves, draw_simulations
from benchmarks import published
from benchmarks.simulated import GOOD, Medians

PUBLISHED = {"color": "black", "linestyle": "none", "marker": "D", "markersize": 4, "zorder": 3}


def draw(name: str, rows: Sequence[Medians], file: Path) -> None:
    """Write the figure of one comparison to `file`."""
    {"methods": draw_methods, "cooley": draw_methods, "scaling": draw_scaling}.get(name, draw_curves)(
        name, rows, file
    )


def draw_methods(name: str, rows: Sequence[Medians], file: Path) -> None:
    """Evaluations, and the share of good ones, of every method on every problem."""
    loads = list(dict.fromkeys(one.case.load for one in rows))
    labels = list(dict.fromkeys(one.case.label for one in rows))
    figure = blank_figure(file, (9, 7))
    above, below = figure.subplots(2, 1, sharex=True)
    width = 0.8 / len(labels)
    for one in rows:
        turn = labels.index(one.case.label)
        x = loads.index(one.case.load) + (turn - (len(labels) - 1) / 2) * width
        above.bar(x, one.evaluations, width, color=f"C{turn}")
        below.bar(x, one.good_share, width, color=f"C{turn}")
        evaluations, good = published_beside(name, one)
        _mark(above, x, evaluations)
        _mark(below, x, good)
    for turn, label in enumerate(labels):
        above.bar(0, 0, color=f"C{turn}", label=label)
    above.plot([], [], **PUBLISHED, label="published")
    above.set_ylabel("evaluations")
    below.set_ylabel(f"share above {GOOD}")
    below.set_xticks(range(len(loads)), loads)
    figure.legend(loc="outside upper center", ncols=len(labels) + 1, frameon=False, title=name)
    figure.savefig(file, dpi=150)


def published_beside(name: str, one: Medians) -> tuple[float | None, float | None]:
    """Evaluations and share of good ones that were published for the method on the problem."""
    label = one.case.label
    if name == "cooley":
        return published.COOLEY_EVALUATIONS.get(label), None
    if label not in published.EVALUATIONS_128_NODES_2_HOURS:
        return None, None
    place = published.PROBLEMS.index(one.case.load)
    return (
        published.EVALUATIONS_128_NODES_2_HOURS[label][place],
        published.GOOD_SHARE_128_NODES_2_HOURS[label][place],
    )


def draw_scaling(name: str, rows: Sequence[Medians], file: Path) -> None:
    """Busy nodes and evaluations against nodes."""
    figure = blank_figure(file, (8, 6))
    busy, evaluations = figure.subplots(2, 1, sharex=True)
    nodes = [one.case.slots for one in rows]
    busy.plot(nodes, [100 * one.utilisation for one in rows], "o-", label="ambs")
    theirs = published.RNN2_UTILISATION
    busy.plot(theirs.keys(), [100 * one for one in theirs.values()], **PUBLISHED, label="published")
    evaluations.plot(nodes, [one.evaluations for one in rows], "o-")
    busy.set_xscale("log", base=2)
    busy.set_ylim(0, 105)
    busy.set_title(name)
    busy.set_ylabel("nodes busy (%)")
    busy.legend(frameon=False)
    evaluations.set_yscale("log", base=2)
    evaluations.set_ylabel("evaluations")
    evaluations.set_xlabel("nodes")
    figure.savefig(file, dpi=150)


def draw_curves(name: str, rows: Sequence[Medians], file: Path) -> None:
    """Busy slots, best so far and cost per proposal, a line for each row's first seed."""
    draw_simulations(
        name,
        [
            Curves(
                f"{one.case.label}, {one.case.load}, {one.case.slots} slots",
                one.case.slots,
                one.runs[0].busy,
                one.runs[0].best_so_far,
                [(cost.observations, cost.cpu_seconds / cost.proposals) for cost in one.runs[0].ask_costs],
            )
            for one in rows
        ],
        file,
    )


def _mark(axes: Any, x: float, value: float | None) -> None:
    if value is not None:
        axes.plot([x], [value], **PUBLISHED)
