"""A simulated machine on a virtual clock, with the real search, queue and launcher."""

from ambs_hpc.simulate.durations import read_run_time
from ambs_hpc.simulate.goals.goal_outcome import GoalOutcome, outcomes
from ambs_hpc.simulate.loads import LOADS, NamedLoad, named_load
from ambs_hpc.simulate.result import AskCost, SimulationResult
from ambs_hpc.simulate.simulated_allocations import SimulatedAllocation, renewed, shared
from ambs_hpc.simulate.simulated_site import Grant, grant_of
from ambs_hpc.simulate.simulation import SimulationSettings, simulate

__all__ = [
    "LOADS",
    "AskCost",
    "GoalOutcome",
    "Grant",
    "NamedLoad",
    "SimulatedAllocation",
    "SimulationResult",
    "SimulationSettings",
    "grant_of",
    "named_load",
    "outcomes",
    "read_run_time",
    "renewed",
    "shared",
    "simulate",
]
