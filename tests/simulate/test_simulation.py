"""Simulated campaigns: exact where everything is known, honest where computing costs time."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from ambs_hpc.errors import UsageError
from ambs_hpc.simulate import (
    NamedLoad,
    SimulatedAllocation,
    SimulationResult,
    SimulationSettings,
    named_load,
    renewed,
    shared,
    simulate,
)
from ambs_hpc.simulate.durations import Constant, Normal, RunTime
from ambs_hpc.simulate.objectives import sphere
from ambs_hpc.simulate.result import best_curve, busy_curve, busy_seconds
from ambs_hpc.simulate.simulated_executor import Ran
from ambs_hpc.simulate.spaces import box
from ambs_hpc.simulate.virtual_clock import START


def load(run_time: RunTime) -> NamedLoad:
    return NamedLoad("test", box(3, -5.0, 5.0), sphere, "minimize", run_time)


def test_eight_slots_of_constant_evaluations_are_counted_exactly() -> None:
    """With free computing, 8 slots do 9 whole rounds of 60 s in 10 minutes, but for the queue's polling."""
    result = simulate(
        SimulationSettings(load(Constant(60.0)), shared(8), 10.0, method="random", charged=False)
    )
    assert result.evaluations == 8 * 9
    assert 0.999 < result.utilisation < 1.0
    assert max(running for _, running in result.busy) == 8


def test_the_real_search_learns() -> None:
    """What is simulated is the search that users get, with its model."""
    settings = SimulationSettings(load(Normal(60.0, 20.0)), shared(8), 8.0, charged=False, seed=3)
    result = simulate(settings)
    assert result.best is not None and result.best < 1.0
    assert sum(cost.proposals for cost in result.ask_costs) >= result.evaluations + 8


def test_the_same_seed_gives_the_same_campaign() -> None:
    """Without charged costs nothing depends on the machine, so a finding can be shown again."""
    settings = SimulationSettings(load(Normal(5.0, 2.0)), shared(16, 2), 1.0, method="random", charged=False)
    first, second = simulate(settings), simulate(settings)
    assert first.best_so_far == second.best_so_far
    assert first.busy == second.busy


@pytest.mark.timeout(300)
def test_a_search_that_dies_goes_on_as_if_it_had_not() -> None:
    """128 workers, killed twice with all of them busy: the same configurations, in the same order."""
    settings = SimulationSettings(load(Normal(60.0, 20.0)), shared(128), 4.0, charged=False, seed=7)
    never, twice = simulate(settings), simulate(replace(settings, search_deaths=(71.3, 158.9)))
    assert len(never.objectives) > 350
    assert twice.objectives == never.objectives
    assert twice.best_so_far == never.best_so_far


def test_what_computing_costs_is_charged() -> None:
    """A search that cannot answer in time starves the slots: a clock that hides it would flatter us."""
    slow = {"candidates": 20_000, "design_size": 4}

    def run(*, charged: bool) -> SimulationResult:
        return simulate(
            SimulationSettings(load(Constant(0.2)), shared(16), 0.02, "ambs", slow, charged=charged)
        )

    free, charged = run(charged=False), run(charged=True)
    assert free.utilisation > 0.8
    assert charged.utilisation < 0.75 * free.utilisation
    assert charged.search_cpu_seconds > 0.5
    assert charged.launcher_cpu_seconds > 0.0


def test_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the user's allow-list nor the environment may change."""
    monkeypatch.setenv("AMBS_CONFIG_DIR", str(tmp_path))
    simulate(SimulationSettings(load(Constant(5.0)), shared(2), 0.5, method="random"))
    assert os.environ["AMBS_CONFIG_DIR"] == str(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_method_or_load_is_told() -> None:
    """Nothing is simulated for a slip of the pen."""
    with pytest.raises(UsageError, match="randon"):
        simulate(SimulationSettings(load(Constant(5.0)), shared(2), 0.5, method="randon"))
    with pytest.raises(UsageError, match="rnn2"):
        named_load("rnn")


def test_an_allocation_that_ends_gives_its_evaluations_to_the_next() -> None:
    """What would be cut is not begun, the queue waits, and nothing is counted as run meanwhile."""
    allocations = renewed(shared(4), walltime=90.0, queue_wait=60.0, until=240.0)
    assert allocations == [SimulatedAllocation(4, 0.0, 90.0), SimulatedAllocation(4, 150.0, 90.0)]
    result = simulate(
        SimulationSettings(load(Constant(60.0)), allocations, 4.5, method="random", charged=False)
    )
    assert result.evaluations == 2 * 4  # in each allocation there is no time for a second round
    assert result.utilisation == pytest.approx(2 / 3, abs=0.01)
    assert {running for seconds, running in result.busy if 1 < seconds < 59 or 151 < seconds < 209} == {4}
    assert {running for seconds, running in result.busy if 61 < seconds < 149} == {0}
    assert result.slots == 4


def test_what_walltime_cuts_is_run_again() -> None:
    """Nobody knew how long they take: interrupted, uncounted, and done where there is time."""
    allocations = [SimulatedAllocation(4, 0.0, 90.0), SimulatedAllocation(4, 100.0, 150.0)]
    result = simulate(
        SimulationSettings(load(Constant(120.0)), allocations, 4.5, method="random", charged=False)
    )
    assert result.evaluations == 4
    assert {running for seconds, running in result.busy if 1 < seconds < 89 or 101 < seconds < 219} == {4}
    assert {running for seconds, running in result.busy if 221 < seconds < 249} == {0}


def test_failing_nodes_interrupt_and_the_evaluations_are_run_again() -> None:
    """An evaluation of a minute on nodes that last two fails often, and is done in the end."""
    settings = SimulationSettings(
        load(Constant(60.0)), shared(8), 12.0, method="random", charged=False, node_failures_per_hour=30.0
    )
    result = simulate(settings)
    assert 8 * 4 < result.evaluations < 8 * 10
    assert result.utilisation > 0.98


def test_starting_costs_hold_up_those_that_wait_for_their_start() -> None:
    """A launcher starts one after the other: ten slots that take 1 s each are filled after 10 s."""
    settings = SimulationSettings(
        load(Constant(100.0)), shared(10), 1.5, method="random", charged=False, start_seconds=1.0
    )
    result = simulate(settings)
    assert result.utilisation == pytest.approx(1 - 45 / 890, abs=0.005)


def test_figures_of_known_runs() -> None:
    """Two slots for ten seconds: one busy throughout, one for four and a half."""
    runs = [
        Ran(START, START + 6.0, 3.0),
        Ran(START + 6.0, START + 99.0, 1.0),  # goes on after the end
        Ran(START + 1.0, START + 5.5, 2.0),
    ]
    end = START + 10.0
    assert busy_seconds(runs, end) == pytest.approx(14.5)
    assert best_curve(runs, end, maximize=False) == [(5.5, 2.0)]
    assert best_curve(runs, end, maximize=True) == [(5.5, 2.0), (6.0, 3.0)]
    curve = busy_curve(runs, end)
    assert curve[0] == (0.0, 1) and curve[-1] == (10.0, 1)
    assert sum(running for _, running in curve) / len(curve) == pytest.approx(1.45, abs=0.02)


def test_a_result_is_json() -> None:
    """Benchmarks keep results as files."""
    result = simulate(SimulationSettings(load(Constant(5.0)), shared(2), 0.5, method="random"))
    read = json.loads(json.dumps(result.to_json()))
    assert read["evaluations"] == result.evaluations
    assert read["cpu_seconds_per_proposal"] > 0
