"""What `ambs simulate` prints and draws of simulated campaigns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ambs_hpc.cli.shared.output import print_json, print_table, writing
from ambs_hpc.cli.shared.terminal import echo

if TYPE_CHECKING:
    from ambs_hpc.simulate import GoalOutcome, SimulationResult

COLUMNS = ["slots", "utilisation", "evaluations", "per hour"]
SHOWN_SHARES = (0.5, 0.9)  # of the largest volume; the JSON has more
MOST_ON_FRONT = 8  # that are printed of a front


def print_simulations(
    results: Sequence[SimulationResult], found: Sequence[GoalOutcome], *, as_json: bool
) -> None:
    """One row a machine, or a JSON list.

    Args:
        found: what each found of several objectives or within constraints; empty for a plain load.
    """
    if as_json:
        goals = [{"goals": _plain(one)} for one in found] or [{} for _ in results]
        print_json([{**one.to_json(), **more} for one, more in zip(results, goals, strict=True)])
        return
    columns = _goal_columns(found[0]) if found else ["best"]
    rows = []
    for place, one in enumerate(results):
        figures = _goal_figures(one, found[place]) if found else [one.best]
        row = [
            one.slots,
            f"{100 * one.utilisation:.2f} %",
            one.evaluations,
            round(one.evaluations_per_hour, 1),
        ]
        rows.append([*row, *figures, 1000 * (one.cpu_seconds_per_proposal or 0.0)])
    print_table([*COLUMNS, *columns, "CPU ms per proposal"], rows)
    for outcome in found:
        _print_front(outcome)


def draw_simulations_of(
    title: str, results: Sequence[SimulationResult], found: Sequence[GoalOutcome], file: Path
) -> None:
    """Write the figure of the campaigns to `file`."""
    from ambs_hpc.reporting.simulation_figure import Curves, FrontCurves, draw_simulations

    curves = []
    for place, one in enumerate(results):
        front = None
        if found and found[place].volume is not None:
            goals = found[place]
            largest = goals.largest or 1.0
            front = FrontCurves(
                tuple(f"{name} ({direction}d)" for name, direction in goals.directions.items()),
                [(0.0, 0.0), *((seconds, volume / largest) for seconds, _, volume in goals.volume_so_far)],
                goals.front,
            )
        curves.append(
            Curves(
                f"{one.slots} slots: {100 * one.utilisation:.1f} %",
                one.slots,
                one.busy,
                one.best_so_far,
                [(cost.observations, cost.cpu_seconds / cost.proposals) for cost in one.ask_costs],
                front,
            )
        )
    with writing(file, "--figure"):
        draw_simulations(title, curves, file)


def _plain(one: GoalOutcome) -> dict[str, object]:
    """As JSON values, with names for a script."""
    return {
        **asdict(one),
        "front": [dict(zip(one.directions, values, strict=True)) for values in one.front],
        "reference": dict(zip(one.directions, one.reference, strict=False)),
        "node_hours_to": [{"share": share, "node_hours": hours} for share, hours in one.node_hours_to],
    }


def _goal_columns(one: GoalOutcome) -> list[str]:
    feasible = ["feasible", "node-hours to the first"] if one.constraints else []
    if one.volume is None:
        return [*feasible, "best feasible"]
    of = "largest" if one.is_largest_known else "largest found"
    return [
        *feasible,
        "front",
        f"volume, of the {of}",
        *(f"node-hours to {share:.0%}" for share in SHOWN_SHARES),
    ]


def _goal_figures(result: SimulationResult, one: GoalOutcome) -> list[object]:
    figures: list[object] = []
    if one.constraints:
        figures = [f"{one.feasible:.0%}", _hours(one.first_feasible_node_hours)]
    if one.volume is None:
        return [*figures, result.best]
    hours = dict(one.node_hours_to)
    share = one.volume / one.largest if one.largest else 0.0
    return [*figures, len(one.front), f"{share:.1%}", *(_hours(hours[share]) for share in SHOWN_SHARES)]


def _hours(hours: float | None) -> str:
    return "never" if hours is None else f"{hours:.2f}"


def _print_front(one: GoalOutcome) -> None:
    """What the volume is of, and some of the front, evenly along it."""
    if one.volume is None:
        return
    reference = ", ".join(
        f"{name} {value:g}" for name, value in zip(one.directions, one.reference, strict=True)
    )
    echo(f"\nVolume {one.volume:.5g} of {one.largest or 0.0:.5g}, better than {reference}. The front:")
    step = max(1, -(-len(one.front) // MOST_ON_FRONT))
    for values in one.front[::step]:
        echo("  " + ", ".join(f"{name} {v:.4g}" for name, v in zip(one.directions, values, strict=True)))
