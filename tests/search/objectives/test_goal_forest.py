"""The forest of all measures."""

from __future__ import annotations

import numpy as np

from ambs_hpc.problem import build_space
from ambs_hpc.problem.goals import Constraint, Goals
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.forest import Growth
from ambs_hpc.search.history import History
from ambs_hpc.search.objectives.goal_forest import GoalForest
from ambs_hpc.search.objectives.measures import Measures

GROWTH = Growth("extra", 5, 1, 0.1, 2000, "half_rank", "believer", 6)
GOALS = Goals({"a": "minimize", "b": "maximize"}, (Constraint("t", "<", 0.5),))


def test_a_forest_grown_late_is_the_one_grown_at_every_observation() -> None:
    """Else a search that was restarted, or asked for many proposals at once, would propose other points."""
    encoding = Encoding(build_space({"x": (0.0, 1.0), "c": ["one", "two"]}))
    rng = np.random.default_rng(0)
    often, late = (GoalForest(GROWTH, encoding, Measures(GOALS), 3) for _ in range(2))
    history = History(2, 3)
    for place in range(40):
        row, measures = encoding.from_uniform(rng.random((1, 2)))[0], rng.random(3)
        if place % 7 == 3:
            measures[:] = np.nan
        history.append(row, measures[0], measures)
        for one in (often, late):
            one.update(history)
        often.grow(history)
    assert late.is_grown
    late.grow(history)
    V = encoding.from_uniform(rng.random((30, 2)))
    for found, expected in zip(late.predict(late.places(V)), often.predict(often.places(V)), strict=True):
        assert found.tolist() == expected.tolist()
    assert late.failure_rate(late.places(V)).tolist() == often.failure_rate(often.places(V)).tolist()
