"""What a load is after, where that is more than one number without bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ambs_hpc.errors import UsageError, nearest
from ambs_hpc.problem import build_space
from ambs_hpc.problem.goals import (
    BOUND,
    DIRECTIONS,
    OBJECTIVE,
    Goals,
    checked_constraints,
    checked_direction,
)
from ambs_hpc.records import Configuration
from ambs_hpc.simulate.durations import RunTime
from ambs_hpc.simulate.spaces import PlainSpace

RUN_SECONDS = "run_seconds"  # a metric of every simulated evaluation: how long it ran
SAMPLED = 200  # random configurations, the worst values of which are the reference where none is given
Measure = Callable[[Configuration], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class LoadGoals:
    """The objectives and bounds of a load.

    Args:
        measure: all numbers of a configuration by name, but for its run time.
        directions: of the objectives by name, the first one first.
        constraints: texts such as "<= 20", or lists of them, by metric; as `Problem` takes them.
        reference: values of the objectives beyond which nothing counts; empty where none is known.
        largest: the largest volume below it; None where it is not known.
    """

    measure: Measure
    directions: Mapping[str, str]
    constraints: Mapping[str, Sequence[str]] = field(default_factory=dict)
    reference: tuple[float, ...] = ()
    largest: float | None = None

    @property
    def goals(self) -> Goals:
        """As a campaign has them."""
        return Goals(self.directions, checked_constraints(self.constraints))

    @property
    def direction(self) -> str | dict[str, str]:
        """As `Problem` takes it: the one objective without a name of its own is a text."""
        names = tuple(self.directions)
        return self.directions[OBJECTIVE] if names == (OBJECTIVE,) else dict(self.directions)

    def with_objective(self, text: str) -> LoadGoals:
        """With a further objective, "METRIC:DIRECTION".

        Raises:
            UsageError, ProblemError: it has another form, or there are too many.
        """
        name, _, direction = text.rpartition(":")
        if not name or direction not in DIRECTIONS or name in self.directions:
            raise UsageError(
                f"--also {text}: give METRIC:minimize or METRIC:maximize, with a metric that is no objective "
                f"yet: {RUN_SECONDS}:minimize."
            )
        directions = checked_direction({**self.directions, name: direction})
        assert isinstance(directions, dict)
        return replace(self, directions=directions, reference=(), largest=None)

    def within(self, text: str) -> LoadGoals:
        """With a further bound, "METRIC <= NUMBER".

        Raises:
            UsageError, ProblemError: it has another form.
        """
        at = min((text.find(one) for one in "<>" if one in text), default=-1)
        if at < 1 or not BOUND.fullmatch(text[at:]):
            raise UsageError(
                f'--constraint "{text}": give a metric, <, <=, > or >=, and a number: "{RUN_SECONDS} <= 300".'
            )
        name = text[:at].strip()
        bounds = {**self.constraints, name: [*self.constraints.get(name, ()), text[at:]]}
        checked_constraints(bounds)
        return replace(self, constraints=bounds, largest=None)


def completed(load: LoadGoals, space: PlainSpace, run_time: RunTime) -> LoadGoals:
    """With a reference: where none is given, the worst values of random configurations, always the same ones.

    Raises:
        UsageError: an objective or a bound is on a number that the load does not have.
    """
    drawn, random = build_space(space), np.random.default_rng(0)
    drawn.seed(0)
    found = []
    for one in drawn.sample_configuration(SAMPLED):
        values = dict(one)
        found.append({**load.measure(values), RUN_SECONDS: run_time.seconds(values, random)})
    for name in (*load.directions, *load.constraints):
        if name not in found[0]:
            raise UsageError(f"The load has no metric {name!r}. {nearest(name, list(found[0]))}")
    if load.reference or len(load.directions) == 1:
        return load
    worst = tuple(
        (max if direction == "minimize" else min)(one[name] for one in found)
        for name, direction in load.directions.items()
    )
    return replace(load, reference=worst)
