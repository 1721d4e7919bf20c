"""What a simulation with several objectives or constraints answers, by results whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ambs_hpc.errors import AmbsError
from ambs_hpc.simulate import SimulationSettings, named_load, outcomes, shared, simulate
from ambs_hpc.simulate.durations import Constant
from ambs_hpc.simulate.goals.goal_outcome import Measured
from ambs_hpc.simulate.goals.load_goals import LoadGoals
from ambs_hpc.simulate.loads import NamedLoad

GOALS = LoadGoals(
    lambda configuration: {}, {"a": "maximize", "b": "minimize"}, {"c": ["<= 1"]}, reference=(0.0, 4.0)
)


def measured(*results: tuple[float, float, str]) -> list[Measured]:
    return [Measured(60.0 * i, float(i), (a, b), verdict) for i, (a, b, verdict) in enumerate(results, 1)]


def test_volume_front_and_node_hours_are_those_of_the_feasible_results() -> None:
    """Areas above 0 in what is maximised and below 4 in what is minimised: 2, then 4, then 6 of 6."""
    runs = measured(
        (9.0, 0.0, "no"), (1.0, 2.0, "yes"), (1.0, 3.0, "yes"), (2.0, 2.0, "yes"), (1.0, 0.0, "yes")
    )
    (found,) = outcomes(GOALS, [runs])
    assert found.front == [(2.0, 2.0), (1.0, 0.0)]
    assert list(found.volume_so_far) == [(120.0, 2.0, 2.0), (240.0, 4.0, 4.0), (300.0, 5.0, 6.0)]
    assert (found.volume, found.largest, found.is_largest_known) == (6.0, 6.0, False)
    assert found.node_hours_to == [(0.5, 4.0), (0.9, 5.0), (0.99, 5.0)]
    assert (found.feasible, found.first_feasible_node_hours) == (0.8, 2.0)
    assert found.constraints == ("c <= 1",)


def test_machines_of_one_command_share_the_largest_volume() -> None:
    """Else each would have reached all of its own, however little that is."""
    little, much = outcomes(GOALS, [measured((1.0, 3.0, "yes")), measured((2.0, 0.0, "yes"))])
    assert (little.volume, little.largest) == (1.0, 8.0)
    assert [hours for _, hours in little.node_hours_to] == [None, None, None]
    assert [hours for _, hours in much.node_hours_to] == [1.0, 1.0, 1.0]


def test_nothing_feasible_is_no_front_and_no_volume() -> None:
    """A campaign whose bounds nothing keeps says so, and does not fail."""
    (found,) = outcomes(GOALS, [measured((1.0, 1.0, "no"), (2.0, 2.0, "unknown"))])
    assert (found.front, found.volume, found.feasible) == ([], 0.0, 0.0)
    assert found.first_feasible_node_hours is None


def test_a_simulated_campaign_searches_its_front() -> None:
    """The real search, queue and launcher, with all objectives; of two slots a node, half the hours count."""
    load = replace(named_load("dtlz2"), run_time=Constant(60.0))
    settings = SimulationSettings(load, shared(8), 4.0, charged=False, seed=1, slots_per_node=2)
    result = simulate(settings)
    assert load.goals is not None
    (found,) = outcomes(load.goals, [result.measured])
    assert len(result.measured) == result.evaluations == 8 * 3
    last = result.measured[-1]
    assert last.node_hours == pytest.approx(last.seconds * 4 / 3600)
    assert found.is_largest_known and found.largest == pytest.approx(0.8074, abs=1e-4)
    assert found.volume is not None and found.volume > 0.1
    assert len(found.front) > 5


def test_the_best_of_a_load_within_bounds_is_feasible() -> None:
    """A plain load gets both by its run time: the quickest evaluations are seldom the best."""
    plain = NamedLoad("short", {"x": (0.0, 1.0)}, lambda one: one["x"], "minimize", Constant(60.0))
    load = plain.after([], ["objective >= 0.5"])
    result = simulate(SimulationSettings(load, shared(4), 6.0, method="random", charged=False))
    feasible = [one.values[0] for one in result.measured if one.verdict == "yes"]
    assert 0 < len(feasible) < len(result.measured)
    assert result.best == min(feasible) >= 0.5


def test_a_further_objective_has_a_reference_of_its_own() -> None:
    """The worst values of random configurations, which are the same in every command."""
    first, again = (named_load("zdt1").after(["run_seconds:minimize"], []) for _ in range(2))
    assert first.goals is not None and again.goals is not None
    assert list(first.goals.directions) == ["f0", "f1", "run_seconds"]
    assert first.goals.reference == again.goals.reference
    assert first.goals.reference[2] > 100.0
    assert first.goals.largest is None


@pytest.mark.parametrize(
    ("further", "constraints", "message"),
    [
        (["f7:minimize"], [], "The load has no metric 'f7'. Accepted: f0, f1, run_seconds"),
        (["f0:minimize"], [], "--also f0:minimize: give METRIC:minimize"),
        (["run_seconds"], [], "--also run_seconds: give METRIC:minimize"),
        ([], ["f1"], '--constraint "f1": give a metric'),
        ([], ["f1 <= no"], "is '<= no'"),
        ([], ["f7 <= 1"], "The load has no metric 'f7'"),
    ],
)
def test_wrong_goals_are_refused(further: list[str], constraints: list[str], message: str) -> None:
    """With what is accepted, before anything is computed."""
    with pytest.raises(AmbsError) as caught:
        named_load("zdt1").after(further, constraints)
    assert message in str(caught.value)
