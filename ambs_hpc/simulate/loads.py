"""The loads that the command line can name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ambs_hpc.errors import UsageError, nearest
from ambs_hpc.problem.goals import OBJECTIVE
from ambs_hpc.records import Configuration
from ambs_hpc.simulate.durations import (
    ByConfiguration,
    Constant,
    LogNormal,
    Normal,
    RunTime,
    TrainingSeconds,
    recurrent_network_seconds,
)
from ambs_hpc.simulate.goals.goal_functions import VARIABLES, Measure, front_functions, spring, vessel
from ambs_hpc.simulate.goals.load_goals import LoadGoals, completed
from ambs_hpc.simulate.objectives import Bowl, Objective, minus_ackley, sphere
from ambs_hpc.simulate.spaces import PlainSpace, box, published_space


@dataclass(frozen=True, slots=True)
class NamedLoad:
    """A problem with the run times of its evaluations.

    Args:
        name: name of the load.
        space: as `ambs_hpc.problem.build_space` takes it.
        objective: its value at a configuration.
        direction: "minimize" or "maximize".
        run_time: run time of one evaluation.
        goals: of a load with several objectives or within constraints, the first of which is `objective`.
    """

    name: str
    space: PlainSpace
    objective: Objective
    direction: str
    run_time: RunTime
    goals: LoadGoals | None = None

    def after(self, further: Sequence[str], constraints: Sequence[str]) -> NamedLoad:
        """The load with further objectives and constraints, as a command line gives them.

        Raises:
            UsageError, ProblemError: one has another form, or is on a number that the load does not have.
        """
        if self.goals is None and not further and not constraints:
            return self
        goals = self.goals or LoadGoals(self._alone, {OBJECTIVE: self.direction})
        for text in further:
            goals = goals.with_objective(text)
        for text in constraints:
            goals = goals.within(text)
        return replace(self, goals=completed(goals, self.space, self.run_time))

    def _alone(self, configuration: Configuration) -> dict[str, float]:
        return {OBJECTIVE: self.objective(configuration)}


def named_load(name: str) -> NamedLoad:
    """The load of that name.

    Raises:
        UsageError: there is no load of that name.
    """
    if name not in LOADS:
        raise UsageError(f"--load {name}: there is no such load. {nearest(name, LOADS)}")
    return LOADS[name]()


def rnn2() -> NamedLoad:
    """The rnn2 benchmark of 2018: ten-minute cap, a modelled accuracy."""
    space = published_space("rnn2")
    return NamedLoad(
        "rnn2", space, Bowl(space), "maximize", ByConfiguration(recurrent_network_seconds, cap=600.0)
    )


SIZES = ("nhidden", "nunits", "nlayers", "f1_units", "f2_units", "max_degree")


def _trained(name: str, typical_seconds: float, sharpness: float, peak: float = 1.0) -> NamedLoad:
    """A model of a problem of the 2018 study; nothing is known of it but two figures of random search.

    Run times are scaled so that random search on 128 nodes ends about as many evaluations in 2 h as published
    (134, 140, 195, 674 and 147 of mnistmlp, mnistcnn, cifar10cnn, gcn and rnn1), the objective so that about
    as large a share of them exceeds 0.8 (0.015, 0.112, 0, 0.012 and 0.007). That few epochs suffice, which
    the published searches learned, is put in.
    """
    space = published_space(name)
    largest: dict[str, float] = {}
    for parameter, choice in space.items():
        if parameter in SIZES and isinstance(choice, (list, tuple)):
            largest[parameter] = float(max(choice))
    run_time = ByConfiguration(TrainingSeconds(typical_seconds, 500.0, largest))
    return NamedLoad(name, space, Bowl(space, sharpness, {"epochs": 0.1}, peak), "maximize", run_time)


def _borrowed(name: str) -> NamedLoad:
    """A space of the 2018 code that its study does not report on: ten minutes or so, a modelled accuracy."""
    space = published_space(name)
    return NamedLoad(name, space, Bowl(space), "maximize", LogNormal(600.0, 0.5))


def ackley() -> NamedLoad:
    """The published scaling row: 5 dimensions, sleep N(60, 20) s, best 0."""
    return NamedLoad("ackley", box(5, -32.768, 32.768), minus_ackley, "maximize", Normal(60.0, 20.0))


def combo() -> NamedLoad:
    """CANDLE Combo's 22 dimensions, 700 s an evaluation, a modelled R2."""
    space = published_space("combo")
    return NamedLoad("combo", space, Bowl(space), "maximize", Normal(700.0, 100.0))


def constant() -> NamedLoad:
    """Sphere in 5 dimensions, 60 s each: all slots end at once."""
    return NamedLoad("constant", box(5, -5.0, 5.0), sphere, "minimize", Constant(60.0))


def _with_front(name: str) -> NamedLoad:
    """A public test function of several objectives, a minute or so an evaluation."""
    one = front_functions()[name]
    goals = LoadGoals(
        one.measure, dict.fromkeys(one.names, "minimize"), reference=one.reference, largest=one.largest()
    )
    return _measured(name, box(VARIABLES, 0.0, 1.0), goals)


def _bounded(name: str, space: PlainSpace, measure: Measure, cost: str, bounds: int) -> NamedLoad:
    """An engineering problem whose numbers g0, g1, ... must not exceed 0, a minute or so an evaluation."""
    constraints = {f"g{i}": ["<= 0"] for i in range(bounds)}
    return _measured(name, space, LoadGoals(measure, {cost: "minimize"}, constraints))


def _measured(name: str, space: PlainSpace, goals: LoadGoals) -> NamedLoad:
    first = next(iter(goals.directions))

    def objective(configuration: Configuration) -> float:
        return goals.measure(configuration)[first]

    return NamedLoad(name, space, objective, goals.directions[first], Normal(60.0, 20.0), goals)


TANK: PlainSpace = {"shell": (1, 99), "head": (1, 99), "radius": (10.0, 200.0), "length": (10.0, 200.0)}
COIL: PlainSpace = {"wire": (0.05, 2.0), "coil": (0.25, 1.3), "coils": (2.0, 15.0)}
LOADS: dict[str, Callable[[], NamedLoad]] = {
    "mnistmlp": lambda: _trained("mnistmlp", 5000.0, 1.4),
    "mnistcnn": lambda: _trained("mnistcnn", 5000.0, 0.57),
    "cifar10cnn": lambda: _trained("cifar10cnn", 3900.0, 1.5, peak=0.78),
    "gcn": lambda: _trained("gcn", 1350.0, 1.08),
    "rnn1": lambda: _trained("rnn1", 4700.0, 1.6),
    "rnn2": rnn2,
    "babi_rnn": lambda: _borrowed("babi_rnn"),
    "capsule": lambda: _borrowed("capsule"),
    "ackley": ackley,
    "combo": combo,
    "constant": constant,
    **{name: partial(_with_front, name) for name in front_functions()},
    "vessel": lambda: _bounded("vessel", TANK, vessel, "cost", 3),
    "spring": lambda: _bounded("spring", COIL, spring, "weight", 4),
}
