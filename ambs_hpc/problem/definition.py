"""The problem as a person states it, checked when it is created."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, cast

from ambs_hpc.errors import ProblemError
from ambs_hpc.fidelity import Fidelity, fidelity_to_json
from ambs_hpc.problem.checkpoint_policy import KEEP_ALL, kept_best
from ambs_hpc.problem.containers.container import Container, container_to_json
from ambs_hpc.problem.containers.registry import PROGRAM_NAMES
from ambs_hpc.problem.goals import (
    DIRECTIONS,
    Goals,
    checked_constraints,
    checked_direction,
    goals_of,
    stored_constraints,
)
from ambs_hpc.problem.objective import Command, objective_to_json
from ambs_hpc.problem.space import build_space, check_configuration, plain_value, space_to_json
from ambs_hpc.records import Resources
from ambs_hpc.records.stored_ranges import LARGEST_COUNT

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from ambs_hpc.records import Configuration

__all__ = ["DIRECTIONS", "Problem", "accepted_fields"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True)
class Problem:
    """A problem: the space, the objective, and the resources of one evaluation.

    Args:
        name: the campaign's name unless the command line gives another: letters, digits, `_`, `.`, `-`.
        space: a dict from a name to (low, high), (low, high, "log"), a list of choices or one value, a
            ConfigSpace.ConfigurationSpace, or an Architecture. The page "The space" has each form.
        objective: "module:function", called with a dict of the active parameters, or with each by its name
            if its arguments have their names, and returning a number or a dict with `objective` and other
            metrics; or the function itself, where it is a module's or a notebook's; or a `Command`.
        direction: "minimize" or "maximize"; of several objectives a dict of them by name, {"accuracy":
            "maximize", "latency_ms": "minimize"}: a result is then a dict that has a number for each name.
        constraints: bounds on metrics of a result, {"latency_ms": "<= 20", "memory_gib": "< 40"}; objectives
            may be bound too, by name or as `objective`. Several bounds of one metric are a list of texts.
        resources: resources of one evaluation.
        time_limit_seconds: an evaluation that runs longer is ended and fails with TIMEOUT; > 0.
        starting_points: configurations to be tried first.
        max_failures: number of attempts that fail by themselves after which the evaluation is FAILED, >= 1.
        max_interruptions: number of attempts that the machine may end before the evaluation is FAILED, >= 0.
        warm: fork a function objective from a process that has loaded its module; False for modules that
            cannot be forked.
        container: the image in which evaluations run; None runs them on the nodes themselves, or in the
            image that the site names.
        fidelity: how far an evaluation can run: those that do badly are paused on the way, and go on later
            where they are wanted after all. None runs all to the end.
        checkpoints: "keep-all", or "keep-best 5": what lies in $AMBS_CHECKPOINT_DIR is removed but for the
            five best results, and for what may still go on from it.

    Raises:
        ProblemError: names the field, what it holds and what is accepted.
    """

    name: str
    space: ConfigurationSpace | Mapping[str, object]
    objective: str | Command | Callable[..., object]
    direction: str | Mapping[str, str] = "minimize"
    resources: Resources = field(default_factory=Resources)
    time_limit_seconds: float | None = None
    starting_points: Sequence[Configuration] = ()
    max_failures: int = 1
    max_interruptions: int = 10
    warm: bool = True
    container: Container | None = None
    fidelity: Fidelity | None = None
    checkpoints: str = KEEP_ALL
    constraints: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not NAME.fullmatch(self.name):
            raise _wrong("name", self.name, "Use up to 100 letters, digits, '_', '.', '-'; no blank or slash")
        object.__setattr__(self, "direction", checked_direction(self.direction))
        checked_constraints(self.constraints)
        object.__setattr__(self, "space", build_space(self.space))
        assert self.objective_json  # raises what is wrong with it and with the container
        _check_resources(self.resources)
        kept_best(self.checkpoints)  # raises what is wrong with it
        if self.time_limit_seconds is not None:
            _check_number("time_limit_seconds", self.time_limit_seconds, above=0)
        _check_count("max_failures", self.max_failures, at_least=1)
        _check_count("max_interruptions", self.max_interruptions, at_least=0)
        if self.fidelity is not None and not isinstance(self.fidelity, Fidelity):
            raise _wrong("fidelity", self.fidelity, 'Write Fidelity("epochs", 1, 81)')
        if self.fidelity is not None and self.goals.has_several:
            remedy = "Rungs compare one objective: leave fidelity away, or bound the others by constraints"
            raise _wrong("fidelity", self.fidelity.words, remedy)
        if isinstance(self.starting_points, Mapping):
            raise _wrong("starting_points", dict(self.starting_points), "Give a list of configurations")
        for index, point in enumerate(self.starting_points):
            check_configuration(self.configuration_space, point, f"starting_points[{index}]")
        plain = [
            {name: plain_value(value) for name, value in point.items()} for point in self.starting_points
        ]
        object.__setattr__(self, "starting_points", plain)

    @property
    def configuration_space(self) -> ConfigurationSpace:
        """The space in its ConfigSpace form."""
        return cast("ConfigurationSpace", self.space)

    @property
    def parameters(self) -> list[str]:
        """The names of all parameters."""
        return list(self.configuration_space.keys())

    @property
    def goals(self) -> Goals:
        """The objectives and the constraints."""
        return goals_of(self._goals_json, self.first_direction)

    @property
    def first_direction(self) -> str:
        """The direction of the only objective, or of the first one."""
        return self.direction if isinstance(self.direction, str) else next(iter(self.direction.values()))

    @property
    def _goals_json(self) -> dict[str, object]:
        direction = self.direction if isinstance(self.direction, str) else dict(self.direction)
        constraints = stored_constraints(checked_constraints(self.constraints))
        return {"direction": direction, **({"constraints": constraints} if constraints else {})}

    @property
    def objective_json(self) -> dict[str, object]:
        """The objective as launchers read it, with the container around it: the allow-list covers both."""
        plain = objective_to_json(self.objective, self.parameters, warm=self.warm)
        if self.container is not None:
            plain["container"] = container_to_json(self.container, PROGRAM_NAMES)
        return plain

    def to_json(self) -> dict[str, object]:
        """The whole problem as JSON values; equal problems give equal values."""
        return {
            "name": self.name,
            "space": space_to_json(self.configuration_space),
            "objective": self.objective_json,
            **self._goals_json,
            "resources": asdict(self.resources),
            "time_limit_seconds": self.time_limit_seconds,
            "starting_points": [dict(point) for point in self.starting_points],
            "max_failures": self.max_failures,
            "max_interruptions": self.max_interruptions,
            "fidelity": fidelity_to_json(self.fidelity),
            "checkpoints": self.checkpoints,
        }


def accepted_fields() -> list[str]:
    """The names that Problem(...) takes."""
    return [one.name for one in fields(Problem)]


def _check_resources(resources: object) -> None:
    if not isinstance(resources, Resources):
        raise _wrong("resources", resources, "Write Resources(cores=..., gpus=..., memory_gib=...)")
    _check_count("resources.cores", resources.cores, at_least=1)
    _check_count("resources.gpus", resources.gpus, at_least=0)
    _check_count("resources.nodes", resources.nodes, at_least=1)
    _check_count("resources.ranks_per_node", resources.ranks_per_node, at_least=1)
    _check_number("resources.memory_gib", resources.memory_gib, above=-math.ulp(0.0))


def _check_count(name: str, value: object, *, at_least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not at_least <= value <= LARGEST_COUNT:
        raise _wrong(name, value, f"Give a whole number from {at_least} to {LARGEST_COUNT}")


def _check_number(name: str, value: object, *, above: float) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not above < cast("float", value) < math.inf:
        raise _wrong(
            name, value, "Give a number of seconds above 0" if above >= 0 else "Give a number from 0"
        )


def _wrong(name: str, value: object, remedy: str) -> ProblemError:
    return ProblemError("problem", name, f"is {value!r}", remedy)
