"""The real search, queue and launcher loop on a simulated machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ambs_hpc import identity
from ambs_hpc.campaign import SearchLoop
from ambs_hpc.launcher.loop import LauncherLoop
from ambs_hpc.launcher.runtime_estimate import run_time_bounds
from ambs_hpc.problem import Problem
from ambs_hpc.problem.allow_list import allow, allow_runs
from ambs_hpc.queue import create_campaign, end_launcher, register_launcher, transaction
from ambs_hpc.records import Campaign, NewCampaign, NewLauncher
from ambs_hpc.search import DEFAULT_METHOD
from ambs_hpc.simulate.goals.goal_outcome import Measured
from ambs_hpc.simulate.loads import NamedLoad
from ambs_hpc.simulate.result import AskCost, SimulationResult, best_curve, busy_curve, busy_seconds
from ambs_hpc.simulate.scratch_folder import scratch_folder
from ambs_hpc.simulate.shared_database import SharedDatabase
from ambs_hpc.simulate.simulated_allocations import SimulatedAllocation, most_slots, slot_seconds
from ambs_hpc.simulate.simulated_executor import Load, Ran, SimulatedExecutor
from ambs_hpc.simulate.virtual_clock import START, Timeline, VirtualTime

if TYPE_CHECKING:
    from sqlalchemy import Engine

# As `ambs run` and `ambs launch` wait.
SEARCH_WAIT_SECONDS, LAUNCHER_WAIT_SECONDS = 0.2, 0.5
SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class SimulationSettings:
    """The settings of a simulation.

    Args:
        load: the problem and the run times of its evaluations.
        allocations: the simulated machine; each has one launcher.
        minutes: virtual time, > 0.
        method, method_options, seed: settings of the search.
        charged: let the processor time of search and launchers pass as virtual time.
        node_failures_per_hour: rate of failures of a busy slot, >= 0.
        start_seconds: time that a launcher needs to start an evaluation, >= 0: launch commands and forks are
            not run, so their cost is not measured here.
        search_deaths: seconds after which the search is killed and restarts from its database, ascending.
        slots_per_node: by which slot-hours are node-hours, >= 1.
    """

    load: NamedLoad
    allocations: Sequence[SimulatedAllocation]
    minutes: float
    method: str = DEFAULT_METHOD
    method_options: Mapping[str, object] = field(default_factory=dict)
    seed: int = 0
    charged: bool = True
    node_failures_per_hour: float = 0.0
    start_seconds: float = 0.0
    search_deaths: Sequence[float] = ()
    slots_per_node: int = 1

    @property
    def slots(self) -> int:
        """The largest number of slots that exist at once."""
        return most_slots(self.allocations)


def simulate(
    settings: SimulationSettings, shown: Callable[[float], None] = lambda elapsed: None
) -> SimulationResult:
    """Run a campaign in virtual time.

    Args:
        settings: what is simulated.
        shown: called now and then with the virtual seconds that have passed.

    Raises:
        UsageError: the search method or one of its options does not exist.
    """
    with scratch_folder() as folder:
        campaign = _SimulatedCampaign(settings, folder)
        try:
            campaign.world.run(60 * settings.minutes, shown)
        finally:
            campaign.database.close()
    return campaign.result()


class _SimulatedCampaign:
    """A campaign with its search and its launchers as actors on one virtual time."""

    def __init__(self, settings: SimulationSettings, folder: Path) -> None:
        self._settings = settings
        self.world = VirtualTime(charged=settings.charged)
        self.database = SharedDatabase(folder / "ambs.db")
        engine = self.database.engine()
        definition = _definition(settings, folder)
        with transaction(engine) as connection:
            self._campaign = create_campaign(connection, definition)
        allow(definition.objective, definition.directory)
        allow_runs(definition.run_directory)
        self._executors: list[SimulatedExecutor] = []
        self._costs: list[AskCost] = []
        self._launchers = [self._add_launcher(one) for one in settings.allocations]
        self._search = self.world.add("search", self._search_on)

    def result(self) -> SimulationResult:
        """The result, once all actors have ended."""
        settings = self._settings
        end = START + 60 * settings.minutes
        runs: list[Ran] = []
        for one in self._executors:
            runs += one.history + one.still_running()
        measured, good = self._measured(runs, end)
        curve = best_curve(good, end, maximize=settings.load.direction == "maximize")
        first = min((one.started_at for one in runs), default=end)
        offered = slot_seconds(settings.allocations, first - START, end - START)
        in_time = sorted((one for one in runs if one.finished_at <= end), key=lambda one: one.finished_at)
        objectives = [one.objective for one in in_time if one.objective is not None]
        return SimulationResult(
            load=settings.load.name,
            method=settings.method,
            seed=settings.seed,
            slots=settings.slots,
            seconds=60 * settings.minutes,
            charged=settings.charged,
            utilisation=busy_seconds(runs, end) / offered if offered else 0.0,
            evaluations=len(objectives),
            evaluations_per_hour=60 * len(objectives) / settings.minutes,
            best=curve[-1][1] if curve else None,
            best_so_far=curve,
            busy=busy_curve(runs, end),
            ask_costs=self._costs,
            search_cpu_seconds=self._search.cpu_seconds,
            launcher_cpu_seconds=sum(one.cpu_seconds for one in self._launchers),
            objectives=objectives,
            measured=measured,
        )

    def _measured(self, runs: Sequence[Ran], end: float) -> tuple[list[Measured], list[Ran]]:
        """What ended until then with all its objectives, and the runs that keep the constraints."""
        load, settings = self._settings.load.goals, self._settings
        if load is None:
            return [], list(runs)
        goals, first = load.goals, min((one.started_at for one in runs), default=end)
        found, good = [], []
        for one in sorted(runs, key=lambda one: one.finished_at):
            if one.objective is None or one.finished_at > end:
                continue
            offered = slot_seconds(settings.allocations, first - START, one.finished_at - START)
            values = [
                value for value in goals.values(one.objective, one.metrics).values() if value is not None
            ]
            verdict = goals.feasibility(one.objective, one.metrics).verdict
            hours = offered / settings.slots_per_node / SECONDS_PER_HOUR
            found.append(Measured(one.finished_at - first, hours, tuple(values), verdict))
            good += [one] if verdict == "yes" else []
        return found, good

    def _search_on(self, timeline: Timeline) -> None:
        engine = self.database.engine_of(timeline)
        loop = _searching(engine, self._campaign, timeline)
        deaths = [START + after for after in self._settings.search_deaths]
        proposed = 0
        while True:
            if deaths and timeline.now() >= deaths[0]:
                del deaths[0]
                loop = _searching(engine, self._campaign, timeline)
            before = timeline.spent_cpu_seconds()
            progress = loop.step()
            if progress.proposed > proposed:
                spent = timeline.spent_cpu_seconds() - before
                self._costs.append(AskCost(progress.ended, progress.proposed - proposed, spent))
                proposed = progress.proposed
            if progress.is_complete:
                return
            self.database.wait_for_change(timeline, SEARCH_WAIT_SECONDS)

    def _add_launcher(self, allocation: SimulatedAllocation) -> Timeline:
        settings = self._settings
        load = Load(
            settings.load.objective,
            settings.load.run_time,
            settings.seed,
            settings.node_failures_per_hour,
            settings.start_seconds,
            settings.load.goals.measure if settings.load.goals is not None else None,
        )

        def serve(timeline: Timeline) -> None:
            engine = self.database.engine_of(timeline)
            executor = SimulatedExecutor(timeline, allocation.slots, load)
            self._executors.append(executor)
            launcher_id = _register(engine, allocation.slots)
            loop = LauncherLoop(engine, launcher_id, executor, timeline, only=[self._campaign.id])
            loop.deadline = START + allocation.starts_after + allocation.walltime
            loop.bounds = run_time_bounds(allocation.walltime)
            while timeline.now() < loop.deadline:
                loop.step(min(LAUNCHER_WAIT_SECONDS, loop.deadline - timeline.now()))
            loop.stop(grace_seconds=0.0)
            while not loop.is_idle:
                loop.step(LAUNCHER_WAIT_SECONDS)
            with transaction(engine) as connection:
                end_launcher(connection, launcher_id)

        name = f"launcher of {allocation.slots}"
        return self.world.add(name, serve, starts_after=allocation.starts_after)


def _searching(engine: Engine, campaign: Campaign, timeline: Timeline) -> SearchLoop:
    loop = SearchLoop(engine, campaign, None, timeline)
    loop.open()
    return loop


def _register(engine: Engine, slots: int) -> int:
    who = identity.this_process()
    with transaction(engine) as connection:
        return register_launcher(connection, NewLauncher(who.host, who.pid, who.started, slots))


def _definition(settings: SimulationSettings, folder: Path) -> NewCampaign:
    load = settings.load
    problem = Problem(
        load.name,
        load.space,
        "pretended:objective",
        direction=load.direction if load.goals is None else load.goals.direction,
        constraints={} if load.goals is None else load.goals.constraints,
    )
    return NewCampaign(
        name=problem.name,
        problem={key: value for key, value in problem.to_json().items() if key != "name"},
        objective=problem.objective_json,
        direction=problem.first_direction,
        directory=str(folder),
        run_directory=str(folder / "runs"),
        method=settings.method,
        method_options=settings.method_options,
        seed=settings.seed,
        max_evaluations=None,
        max_failures=problem.max_failures,
        max_interruptions=problem.max_interruptions,
    )
