"""Node-seconds of a campaign with rungs are those of the steps that its evaluations ran."""

from __future__ import annotations

import pytest

from ambs_hpc.fidelity import Fidelity
from ambs_hpc.simulate.durations import Constant
from ambs_hpc.simulate.loads import NamedLoad
from ambs_hpc.simulate.objectives import sphere
from ambs_hpc.simulate.rungs.pretended_curves import PretendedCurves
from ambs_hpc.simulate.rungs.rung_simulation import RungSettings, simulate_rungs

FIDELITY = Fidelity("epochs", 1, 9)
LOAD = NamedLoad("sphere", {"x": (-1.0, 1.0)}, sphere, "minimize", Constant(9.0))


def curves(agreement: float) -> PretendedCurves:
    return PretendedCurves(LOAD, FIDELITY, agreement)


def test_without_rungs_all_run_to_the_end() -> None:
    """Two workers and nine seconds each: eight evaluations in 72 node-seconds."""
    found = simulate_rungs(curves(1.0).load, RungSettings(2, 72.0, method="random"))
    assert (found.begun, found.complete, found.promoted, found.node_seconds) == (10, 8, 0, 72.0)


def test_rungs_begin_more_evaluations_than_they_complete() -> None:
    """What pauses leaves its worker to another one; the first four run to the end."""
    found = simulate_rungs(curves(1.0).load, RungSettings(1, 200.0, FIDELITY, method="random"))
    assert found.begun > 40
    assert 4 < found.complete < 20


def test_a_target_ends_the_search() -> None:
    """What was spent until then is what a comparison asks for."""
    full = simulate_rungs(curves(1.0).load, RungSettings(1, 200.0, method="random"))
    spent, best = full.best[1]
    found = simulate_rungs(curves(1.0).load, RungSettings(1, 200.0, target=best, method="random"))
    assert (found.reached_at, found.node_seconds) == (spent, spent)


def test_rungs_that_say_the_opposite_pause_hardly_anybody() -> None:
    """All that comes after they were judged runs to the end."""
    two = Fidelity("epochs", 1, 3)
    load = PretendedCurves(LOAD, two, -1.0).load
    turned = simulate_rungs(load, RungSettings(1, 400.0, two, method="random"))
    assert (turned.begun, turned.complete) == (45, 44)


@pytest.mark.parametrize("agreement", [-1.0, 0.3, 1.0])
def test_pretended_curves_end_at_the_load(agreement: float) -> None:
    """However little the first step says of it."""
    made = curves(agreement)
    assert made.value({"x": 0.5}, 9) == 0.25
    assert made.value({"x": 0.5}, 1) == made.value({"x": 0.5}, 1)
    assert (made.value({"x": 0.5}, 1) == 0.25) == (agreement == 1.0)
