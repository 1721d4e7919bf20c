"""How the objective depends on one parameter where all others stay as they are: the forest's answer.

Source: Friedman (2001), "Greedy function approximation: a gradient boosting machine", section 8.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.problem.space import space_from_json
from ambs_hpc.queue import EvaluationRow
from ambs_hpc.records import Value
from ambs_hpc.reporting.html.progress_series import thinned
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.forest import Forest, Growth
from ambs_hpc.search.history import History
from ambs_hpc.states import State

FEWEST_RESULTS = 20  # below them trees say nothing that the points do not
MOST_OBSERVATIONS, BACKGROUND, MOST_POINTS = 3000, 150, 12
_GROWTH = Growth(
    tree="random",
    trees=48,
    min_leaf=3,
    refresh=1.0,
    training_rows=MOST_OBSERVATIONS,
    transform="half_rank",  # outliers do not bend it
    lie="none",
    first=FEWEST_RESULTS,
)

Floats = NDArray[np.float64]
# A value of the parameter, and the objective there: one deviation below, the mean, one above.
DependencePoint = tuple[Value, float, float, float]


def partial_dependence(
    rows: Sequence[EvaluationRow], problem: Mapping[str, object], direction: str, most: int
) -> dict[str, list[DependencePoint]]:
    """For each of the first `most` parameters its points, in the objective's units.

    {} where too little is known. The mean is that of the forest over configurations that were tried; the
    parameter is active in each of them, and gets the value. The deviation is the mean one between and within
    trees: it tells where the forest is sure, and is not that of the mean. A failure counts as the worst seen.
    Means are taken on the scale that the search models, so that outliers do not hide the rest.
    """
    space = problem.get("space")
    if not isinstance(space, dict) or "format_version" not in space:
        return {}
    encoding = Encoding(space_from_json(space))
    history = _history(encoding, rows, 1.0 if direction == "minimize" else -1.0)
    if history.successes < FEWEST_RESULTS:
        return {}
    forest = Forest(_GROWTH, encoding, seed=0)
    forest.update(history)
    if not forest.is_grown:
        return {}
    background = history.rows[thinned(history.count, BACKGROUND)]
    found = {}
    for column, name in enumerate(encoding.names[:most]):
        points = [_point(forest, encoding, background, column, value) for value in _grid(encoding, column)]
        found[name] = [_in_units(one, direction) for one in points if one is not None]
    return found


def _history(encoding: Encoding, rows: Sequence[EvaluationRow], sign: float) -> History:
    """What the forest learns: the newest evaluations that the present space holds, as costs."""
    history = History(encoding.dimensions)
    ended = [row for row in rows if row.state in (State.DONE, State.FAILED)]
    for index in thinned(len(ended), MOST_OBSERVATIONS):
        row = ended[index]
        try:
            known = encoding.encode(row.configuration)
        except ValueError:  # of a space before a revision
            continue
        history.observe(known, np.nan if row.objective is None else sign * row.objective)
    return history


def _grid(encoding: Encoding, column: int) -> Floats:
    """Values over the whole range on the parameter's own scale."""
    of = encoding.range(column)
    if of.is_whole and of.high - of.low < MOST_POINTS:
        return encoding.listed(column)
    ends = (np.log(of.low), np.log(of.high)) if of.is_log else (of.low, of.high)
    values: Floats = np.linspace(ends[0], ends[1], MOST_POINTS)
    values = np.clip(np.exp(values) if of.is_log else values, of.low, of.high)
    return cast("Floats", np.unique(values.round()) if of.is_whole else values)


def _point(
    forest: Forest, encoding: Encoding, background: Floats, column: int, value: float
) -> DependencePoint | None:
    """The costs at a value; None where no configuration that was tried can have it."""
    V = background[~np.isnan(background[:, column])].copy()
    V[:, column] = value
    # Another choice of a parent may want values that were never chosen: such rows say nothing.
    complete = np.ones(len(V), dtype=np.bool_)
    for other in range(encoding.dimensions):
        complete &= ~(encoding.constraints.active(other, V) & np.isnan(V[:, other]))
    V = encoding.constraints.deactivate(V[complete])
    V = V[encoding.constraints.allowed(V)] if len(V) else V
    if not len(V):
        return None
    mean, deviation = (float(one.mean()) for one in forest.predict(forest.places(V)))
    low, middle, high = forest.scale.backward(np.array([mean - deviation, mean, mean + deviation]))
    name = encoding.names[column]
    return encoding.configuration(V[0])[name], float(low), float(middle), float(high)


def _in_units(point: DependencePoint, direction: str) -> DependencePoint:
    value, low, middle, high = point
    return point if direction == "minimize" else (value, -high, -middle, -low)
