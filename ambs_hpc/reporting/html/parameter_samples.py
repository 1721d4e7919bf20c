"""Parameters against the objective: axes, a sample of evaluations, and the middle of what lay where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.queue import EvaluationRow
from ambs_hpc.records import Value
from ambs_hpc.reporting.html.partial_dependence import DependencePoint
from ambs_hpc.reporting.html.progress_series import shown_limits, thinned
from ambs_hpc.states import State

MOST_ROWS, MOST_VALUES, BEST_KEPT = 2000, 60_000, 100
MOST_AXES = 60
BINS, FEWEST_IN_BIN = 10, 3

Json = dict[str, object]
Array = NDArray[np.float64]


@dataclass(slots=True)
class DrawnAxis:
    """One parameter's axis.

    Args:
        choices: of a categorical or ordinal one, in order; values that no longer belong to it come last.
        whole: only whole numbers.
        low, high: of a number; wider than the space where older evaluations lie outside.
    """

    name: str
    choices: list[Value] | None = None
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    whole: bool = False
    places: dict[tuple[type, Value], int] = field(default_factory=dict)

    def position(self, value: Value | None) -> float | None:
        """The number, or the index of the choice; None for a parameter that is not active."""
        if value is None:
            return None
        if self.choices is None:
            return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        key = (type(value), value)
        if key not in self.places:
            self.places[key] = len(self.choices)
            self.choices.append(value)
        return float(self.places[key])


def parameter_axes(problem: Mapping[str, object]) -> list[DrawnAxis]:
    """The axes of a stored problem in its own order; at most `MOST_AXES`."""
    space = problem.get("space")
    stored = space.get("hyperparameters", []) if isinstance(space, dict) else []
    return [_axis(one) for one in stored if isinstance(one, dict)][:MOST_AXES]


def parameters_json(
    rows: Sequence[EvaluationRow],
    problem: Mapping[str, object],
    direction: str,
    dependence: Mapping[str, Sequence[DependencePoint]],
) -> Json:
    """The data of both charts of parameters.

    `columns` are the positions on each axis, `value` the objectives, None for failures, of a sample: the
    best `BEST_KEPT`, and others evenly chosen. `effects` come from all results: for each part of an axis
    [position, lower quartile, median, upper quartile, number]. `dependence` has for each axis points
    [position, below, mean, above] of the partial dependence.
    """
    ended = [row for row in rows if row.state in (State.DONE, State.FAILED)]
    axes = parameter_axes(problem)
    objectives = np.array([np.nan if row.objective is None else row.objective for row in ended], dtype=float)
    table = [_positions(axis, ended) for axis in axes]
    for axis, column in zip(axes, table, strict=True):
        _widen(axis, column)
    chosen = _sample(objectives, direction, min(MOST_ROWS, MOST_VALUES // (len(axes) + 2)))
    good = objectives[~np.isnan(objectives)]
    return {
        "direction": direction,
        "limits": shown_limits(good, direction),
        "of": len(ended),
        "axes": [_axis_json(axis) for axis in axes],
        "id": [ended[index].id for index in chosen],
        "value": [_short(objectives[index]) for index in chosen],
        "columns": [[_short(column[index]) for index in chosen] for column in table],
        "dependence": [_dependence(axis, dependence.get(axis.name, ())) for axis in axes],
        "effects": [
            list(_effect(axis, column, objectives)) for axis, column in zip(axes, table, strict=True)
        ],
    }


def _axis(stored: Mapping[str, object]) -> DrawnAxis:
    name = str(stored.get("name"))
    lower, upper = stored.get("lower"), stored.get("upper")
    if isinstance(lower, int | float) and isinstance(upper, int | float):
        whole = isinstance(lower, int) and isinstance(upper, int)
        return DrawnAxis(name, None, float(lower), float(upper), bool(stored.get("log")), whole)
    listed = stored.get("choices", stored.get("sequence"))
    values = listed if isinstance(listed, list | tuple) else [stored["value"]] if "value" in stored else []
    choices = [value for value in values if isinstance(value, bool | int | float | str)]
    return DrawnAxis(
        name, choices, places={(type(value), value): index for index, value in enumerate(choices)}
    )


def _positions(axis: DrawnAxis, rows: Sequence[EvaluationRow]) -> Array:
    values = [row.configuration.get(axis.name) for row in rows]
    if axis.choices is None and set(map(type, values)) <= {int, float, type(None)}:
        return np.array(values, dtype=float)  # None becomes NaN
    found = map(axis.position, values)
    return np.array([np.nan if one is None else one for one in found], dtype=float)


def _widen(axis: DrawnAxis, column: Array) -> None:
    """Let the axis hold every value; a logarithmic one that meets zero or less becomes linear."""
    known = column[np.isfinite(column)]
    if axis.choices is not None:
        axis.low, axis.high = -0.5, max(len(axis.choices), 1) - 0.5
    elif len(known):
        axis.low, axis.high = min(axis.low, float(known.min())), max(axis.high, float(known.max()))
    axis.log = axis.log and axis.low > 0


def _sample(objectives: Array, direction: str, most: int) -> list[int]:
    """Indices of the best and of others, in their order."""
    if len(objectives) <= most:
        return list(range(len(objectives)))
    costs = objectives if direction == "minimize" else -objectives
    best = [int(index) for index in np.argsort(costs, kind="stable")[: min(BEST_KEPT, most // 2)]]  # NaN last
    others = np.setdiff1d(np.arange(len(costs)), best)
    return sorted([*best, *(int(others[place]) for place in thinned(len(others), most - len(best)))])


def _effect(axis: DrawnAxis, column: Array, objectives: Array) -> Iterator[list[float | int | None]]:
    known = np.isfinite(column) & np.isfinite(objectives)
    middles, parts = _parts(axis, column[known])
    for index, middle in enumerate(middles):
        inside = objectives[known][parts == index]
        if len(inside) >= FEWEST_IN_BIN:
            yield [
                _short(middle),
                *(_short(one) for one in np.quantile(inside, [0.25, 0.5, 0.75])),
                len(inside),
            ]


def _dependence(axis: DrawnAxis, points: Sequence[DependencePoint]) -> list[list[float | None]]:
    placed = [(axis.position(value), costs) for value, *costs in points]
    return [[_short(at), *map(_short, costs)] for at, costs in placed if at is not None]


def _parts(axis: DrawnAxis, x: Array) -> tuple[Array, NDArray[np.int64]]:
    """The middles of the axis' parts, and in which of them each of x (n,) lies."""
    if axis.choices is not None:
        return np.arange(len(axis.choices), dtype=float), x.astype(int)
    if axis.whole and axis.high - axis.low < BINS:
        return np.arange(axis.low, axis.high + 1), (x - axis.low).round().astype(int)
    low, high = (np.log(axis.low), np.log(axis.high)) if axis.log else (axis.low, axis.high)
    places = ((np.log(x) if axis.log else x) - low) / ((high - low) or 1.0) * BINS
    middles = low + (np.arange(BINS) + 0.5) / BINS * (high - low)
    return np.exp(middles) if axis.log else middles, np.clip(places.astype(int), 0, BINS - 1)


def _axis_json(axis: DrawnAxis) -> Json:
    choices = None if axis.choices is None else [str(value) for value in axis.choices]
    return {"name": axis.name, "choices": choices, "low": axis.low, "high": axis.high, "log": axis.log}


def _short(value: float) -> float | None:
    """Six digits: as many as a chart can show; None for what is not there."""
    return float(f"{value:.6g}") if np.isfinite(value) else None
