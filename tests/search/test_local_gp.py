"""Where the local process looks: around the best, or around a place that it is given."""

from __future__ import annotations

import numpy as np
import pytest

from ambs_hpc.problem.space import build_space
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.history import History
from ambs_hpc.search.local_gp import LocalGp
from ambs_hpc.search.objective_transform import fit_scale


def two_valleys() -> tuple[Encoding, History]:
    """The deeper one at 0.2, another at 0.8."""
    encoding = Encoding(build_space({"x": (0.0, 1.0), "still": ["one"]}))
    history = History(encoding.dimensions)
    for x in np.linspace(0.0, 1.0, 81):
        history.observe(
            encoding.encode({"x": float(x), "still": "one"}), min(abs(x - 0.2), abs(x - 0.8) + 0.1)
        )
    return encoding, history


def test_the_incumbent_is_among_the_best() -> None:
    """Not always the very best: what is simultaneous should differ."""
    encoding, history = two_valleys()
    scale = fit_scale("raw", history.objectives)
    found = [LocalGp(encoding, seed, 20, "raw").neighbourhood(history, scale, 5) for seed in range(12)]
    places = {round(float(encoding.configuration(one.centre)["x"]), 6) for one in found}
    assert len(places) > 1
    assert all(abs(x - 0.2) < 0.15 for x in places)


def test_another_valley_is_modelled_from_there() -> None:
    """The process around a place predicts its own valley."""
    encoding, history = two_valleys()
    local = LocalGp(encoding, 0, 20, "raw")
    column = history.rows[:, encoding.names.index("x")]
    centre = int(np.argmin(np.abs(column - 0.8)))
    near = local.around(history, fit_scale("raw", history.objectives), 5, centre)
    x = np.array([encoding.encode({"x": value, "still": "one"}) for value in (0.8, 0.75, 0.85)])
    bottom, left, right = near.posterior.mean(encoding.smooth_features(x))
    assert float(encoding.configuration(near.centre)["x"]) == pytest.approx(0.8)
    assert bottom < min(left, right)
