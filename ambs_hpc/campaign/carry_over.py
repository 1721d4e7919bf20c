"""What evaluations of an earlier space mean in the newest one; a pure function of the campaign's definition.

A stored problem whose space was revised has two more entries:

    was: {parameter: value} of those that were added or removed: the value with which evaluations without
        them run; null: any value, of a removed one.
    stated_space: the space of the problem file, where `ambs space` has changed it since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from ambs_hpc.problem.space import space_from_json, stored_space
from ambs_hpc.problem.space_differences import parameters_of
from ambs_hpc.records import Configuration, Value
from ambs_hpc.search.encoding import Encoding

WAS, STATED_SPACE = "was", "stated_space"


class CarryOver:
    """Reads configurations of all earlier spaces of a campaign as ones of its newest space."""

    def __init__(self, space: Mapping[str, Any], was: Mapping[str, Value | None]) -> None:
        """`was`: of parameters that were added or removed, the value with which those without them ran."""
        self._encoding = Encoding(space_from_json(space))
        self._was = was
        defaults = {
            name: one.get("default_value", one.get("value")) for name, one in parameters_of(space).items()
        }
        known = {name: value for name, value in was.items() if value is not None}
        self._missing: dict[str, Value] = {name: known.get(name, value) for name, value in defaults.items()}

    def carried(self, configuration: Configuration) -> dict[str, Value] | None:
        """The configuration in the newest space; None when it lies outside.

        Parameters that were added have the value that was in force before; those that were removed are gone,
        if they had the value that is in force since.
        """
        if not configuration:  # a row that has none; it would be read as the default
            return None
        given = dict(self._missing)
        for name, value in configuration.items():
            if name in given:
                given[name] = value
            elif not self._is_still_in_force(name, value):
                return None
        try:
            row = self._encoding.encode(given)
        except ValueError:
            return None
        if not self._encoding.constraints.allowed(row[None])[0]:
            return None
        return self._encoding.configuration(row)

    def carried_points(self, points: Iterable[Configuration]) -> list[dict[str, Value]]:
        """Those of the points that lie in the newest space."""
        return [carried for one in points if (carried := self.carried(one)) is not None]

    def _is_still_in_force(self, name: str, value: Value) -> bool:
        if name not in self._was:
            return False
        now = self._was[name]
        return now is None or (isinstance(now, bool), now) == (isinstance(value, bool), value)


def carry_over_of(problem: Mapping[str, object]) -> CarryOver | None:
    """How a stored problem's earlier configurations are read; None where its space was never revised."""
    if WAS not in problem:
        return None
    space = stored_space(problem, str(problem.get("name")))
    return CarryOver(space, cast("Mapping[str, Value | None]", problem[WAS]))
