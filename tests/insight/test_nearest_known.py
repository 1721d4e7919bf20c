"""The nearest result is near on the parameters' own scales."""

from __future__ import annotations

import pytest

from ambs_hpc.insight.nearest_known import nearest_known
from ambs_hpc.problem.space import build_space, space_to_json

SPACE = space_to_json(build_space({"lr": (1e-4, 1.0, "log"), "kind": ["a", "b", "c"]}))


def test_distances_are_on_the_scale_of_each_parameter() -> None:
    """From 0.01, 0.001 is as far as 0.1, although the one differs by 0.009 and the other by 0.09."""
    here = {"lr": 0.01, "kind": "a"}
    known = [{"lr": 0.01, "kind": "b"}, {"lr": 0.06, "kind": "a"}, {"lr": 0.001, "kind": "a"}]
    found = nearest_known(SPACE, here, known)
    assert found is not None
    assert found.place == 1
    assert found.differences == {"lr": (0.06, 0.01)}
    far = nearest_known(SPACE, here, known[2:])
    assert far is not None
    assert far.distance == pytest.approx(0.25)
    assert nearest_known(SPACE, here, []) is None
