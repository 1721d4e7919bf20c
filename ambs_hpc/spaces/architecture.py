"""A space of architectures and hyperparameters together, and what a configuration of it means."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ambs_hpc.errors import ProblemError
from ambs_hpc.records import Configuration, Value
from ambs_hpc.spaces.parts import Declared, Group

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from ConfigSpace.conditions import Condition


class Architecture:
    """Hyperparameters and blocks in one space; the space of a Problem.

        ARCHITECTURE = Architecture(
            {
                "learning_rate": (1e-4, 1e-1, "log"),
                "body": Layers(1, 6, {"units": (8, 256, "log"), "activation": ["relu", "tanh"]}),
            }
        )

    An evaluation gets a flat configuration: {"learning_rate": 0.01, "body_count": 2, "body_1_units": 64,
    ...}. `decode` makes the dict of it that was meant: {"learning_rate": 0.01, "body": [{"units": 64, ...},
    {...}]}.

    Args:
        parts: by name: a parameter in the terms of a space's dict, or ConfigSpace's own; `Layers`, `Cell` or
            `EdgeCell`; a dict of kinds with parameters of their own.

    Raises:
        ProblemError: names the part, what it holds and what is accepted. What only ConfigSpace can tell is
            said when `configuration_space` is first asked for.
    """

    def __init__(self, parts: Mapping[str, object]) -> None:
        self._group = Group(parts, "space")

    @cached_property
    def configuration_space(self) -> ConfigurationSpace:
        """The conditional space; conditions, forbidden clauses and parameters may be added to it.

        Raises:
            ProblemError: a parameter cannot be, or two have one name.
        """
        from ConfigSpace import ConfigurationSpace

        declared = list(self._group.declare("", None))
        names = [one.parameter.name for one in declared]
        doubled = next((name for name in names if names.count(name) > 1), None)
        if doubled is not None:
            raise ProblemError(
                "problem",
                "space",
                f"has two parameters of the name {doubled!r}",
                "Names of parts are joined by '_': rename one of them",
            )
        space = ConfigurationSpace()
        space.add([one.parameter for one in declared])
        by_name = {one.parameter.name: one.parameter for one in declared}
        space.add([_condition(one, by_name) for one in declared if one.activity is not None])
        return space

    def decode(self, configuration: Configuration) -> dict[str, object]:
        """The values that a configuration stands for, by the names of the parts.

        Of `Layers` a list of dicts, of `Cell` a CellGraph, of `EdgeCell` an EdgeGraph; what belongs to a
        chosen kind stands beside the choice: {"op": "dense", "units": 64}. Parameters that were added to
        `configuration_space` are not among them. ConfigSpace is not imported.

        Raises:
            ProblemError: a parameter is missing.
        """
        try:
            return self._group.read("", configuration)
        except KeyError as error:
            raise ProblemError(
                "architecture",
                str(error.args[0]),
                "is missing in the configuration",
                "Give one of this space, as it is now",
            ) from error

    def encode(self, values: Mapping[str, object]) -> dict[str, Value]:
        """The configuration of values as `decode` gives them, for starting points and `ambs add`.

        Raises:
            ProblemError: something is missing or unknown, or the configuration is not in the space.
        """
        from ambs_hpc.problem.space import check_configuration

        configuration = self._group.write("", values)
        check_configuration(self.configuration_space, configuration, "architecture")
        return configuration


def _condition(one: Declared, by_name: Mapping[str, Any]) -> Condition:
    from ConfigSpace import EqualsCondition, GreaterThanCondition

    assert one.activity is not None
    kind = GreaterThanCondition if one.activity.is_above else EqualsCondition
    return kind(one.parameter, by_name[one.activity.parent], one.activity.value)
