"""The parts that a space of architectures is made of: parameters, kinds that have parameters, and groups.

Each part declares its parameters below a prefix, reads its value from a configuration, and writes a value
into one; the three walk the same tree, so that what was written is read again.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from ambs_hpc.errors import ProblemError, nearest
from ambs_hpc.problem.space import build_parameter
from ambs_hpc.records import Configuration, Value

if TYPE_CHECKING:
    from ConfigSpace.hyperparameters import Hyperparameter


@dataclass(frozen=True)
class Activity:
    """When a parameter is active: the parent equals a value, or is above it."""

    parent: str
    value: Value
    is_above: bool = False


@dataclass(frozen=True)
class Declared:
    """A parameter and when it is active; None for always."""

    parameter: Hyperparameter[Any, Any]
    activity: Activity | None


class Part(Protocol):
    """A piece of the tree; `prefix` is what its parameters' names begin with."""

    def declare(self, prefix: str, activity: Activity | None) -> Iterator[Declared]:
        """Its parameters, parents before children."""
        ...

    def read(self, prefix: str, configuration: Configuration) -> object:
        """Its value in a configuration in which it is active; KeyError names a parameter that is missing."""
        ...

    def write(self, prefix: str, value: object) -> dict[str, Value]:
        """The parameters of a value, as `read` gives it; ProblemError says what is wrong with it."""
        ...


class Parameter:
    """One parameter, in the terms of a plain dict or of ConfigSpace."""

    def __init__(self, spec: object) -> None:
        self._spec = spec

    def declare(self, prefix: str, activity: Activity | None) -> Iterator[Declared]:
        if hasattr(self._spec, "default_value") and hasattr(self._spec, "name"):
            parameter = copy.copy(cast("Any", self._spec))
            parameter.name = prefix  # ConfigSpace's own, with its default, weights or prior
        else:
            parameter = build_parameter(prefix, self._spec)
        yield Declared(parameter, activity)

    def read(self, prefix: str, configuration: Configuration) -> object:
        return configuration[prefix]

    def write(self, prefix: str, value: object) -> dict[str, Value]:
        return {prefix: cast("Value", value)}  # the space itself judges the value


class Kinds:
    """A choice of kinds, each with parameters of its own that are active where it is chosen."""

    def __init__(self, kinds: Mapping[object, object], place: str) -> None:
        if not kinds:
            raise ProblemError("problem", place, "has no kinds", "Give {kind: {parameter: ...}, ...}")
        self.groups = {kind: Group(inner, f"{place}[{kind!r}]") for kind, inner in cast("Any", kinds).items()}

    def declare(self, prefix: str, activity: Activity | None) -> Iterator[Declared]:
        from ConfigSpace import Categorical

        build_parameter(prefix, list(self.groups))  # says what is wrong with one of them
        yield Declared(Categorical(prefix, list(self.groups)), activity)
        for kind, group in self.groups.items():
            yield from group.declare(below(prefix, kind), Activity(prefix, cast("Value", kind)))

    def read(self, prefix: str, configuration: Configuration) -> object:
        kind = configuration[prefix]
        self.group(kind, prefix)
        return kind

    def write(self, prefix: str, value: object) -> dict[str, Value]:
        self.group(value, prefix)
        return {prefix: cast("Value", value)}

    def group(self, kind: object, prefix: str) -> Group:
        """The parameters of a kind, which lie below `below(prefix, kind)`.

        Raises:
            ProblemError: there is no such kind.
        """
        try:
            return self.groups[kind]
        except (KeyError, TypeError) as error:
            known = nearest(str(kind), map(str, self.groups))
            raise ProblemError("architecture", prefix, f"is {kind!r}", known) from error


class Group:
    """Named parts side by side; its value is a dict, with what belongs to a kind beside its choice."""

    def __init__(self, parts: object, place: str) -> None:
        if not isinstance(parts, Mapping):
            raise ProblemError(
                "problem", place, f"is {parts!r}", "Give a dict from names to what a space's parameter may be"
            )
        self.parts = {name: part_of(name, spec, f"{place}[{name!r}]") for name, spec in parts.items()}
        self._check_names(place)

    def declare(self, prefix: str, activity: Activity | None) -> Iterator[Declared]:
        for name, part in self.parts.items():
            yield from part.declare(below(prefix, name), activity)

    def read(self, prefix: str, configuration: Configuration) -> dict[str, object]:
        values = {name: part.read(below(prefix, name), configuration) for name, part in self.parts.items()}
        for place, kind, group in self._chosen(prefix, values):
            values |= group.read(below(place, kind), configuration)
        return values

    def write(self, prefix: str, value: object) -> dict[str, Value]:
        if not isinstance(value, Mapping):
            raise ProblemError("architecture", prefix, f"is {value!r}", "Give a dict of its values")
        accepted = self.names(prefix, value)
        for name in value:
            if name not in accepted:
                remedy = nearest(str(name), accepted) if accepted else "It takes no values."
                raise ProblemError("architecture", prefix or "values", f"have {name!r}", remedy)
        return self._written(prefix, value)

    def names(self, prefix: str, value: Mapping[str, object]) -> list[str]:
        """What its value holds where the choices of `value` are made."""
        found = list(self.parts)
        for place, kind, group in self._chosen(prefix, value):
            found += group.names(below(place, kind), value)
        return found

    def all_names(self) -> list[str]:
        """What its value may hold, whichever kinds are chosen."""
        inner = [group for _, kinds in self._choices() for group in kinds.groups.values()]
        return [*self.parts, *(name for group in inner for name in group.all_names())]

    def _written(self, prefix: str, value: Mapping[str, object]) -> dict[str, Value]:
        written: dict[str, Value] = {}
        for name, part in self.parts.items():
            if name not in value:
                remedy = f"Give all of: {', '.join(self.names(prefix, value))}"
                raise ProblemError("architecture", prefix or "values", f"lack {name!r}", remedy)
            written |= part.write(below(prefix, name), value[name])
        for place, kind, group in self._chosen(prefix, value):
            written |= group._written(below(place, kind), value)
        return written

    def _chosen(self, prefix: str, value: Mapping[str, object]) -> list[tuple[str, object, Group]]:
        """Of each choice that is made: its place, the kind, and that kind's parameters."""
        return [
            (below(prefix, name), value[name], kinds.group(value[name], below(prefix, name)))
            for name, kinds in self._choices()
            if name in value
        ]

    def _choices(self) -> list[tuple[str, Kinds]]:
        return [(name, part) for name, part in self.parts.items() if isinstance(part, Kinds)]

    def _check_names(self, place: str) -> None:
        """Raise a ProblemError where two things would have one name in the dict that people get."""
        for name, kinds in self._choices():
            others = [one for other, one in self._choices() if other != name]
            taken = {*self.parts, *(n for one in others for g in one.groups.values() for n in g.all_names())}
            for kind, group in kinds.groups.items():
                doubled = sorted(taken.intersection(group.all_names()))
                if doubled:
                    raise ProblemError(
                        "problem",
                        f"{place}[{name!r}][{kind!r}]",
                        f"has the name {doubled[0]!r}, which something beside {name!r} has too",
                        "They stand in one dict for the objective: rename one of them",
                    )


def part_of(name: object, spec: object, place: str) -> Part:
    """The part that a specification states: a block, kinds in a dict, or a parameter."""
    if not isinstance(name, str) or not name:
        raise ProblemError("problem", place, "the name of a parameter is not a text", "Use texts as keys")
    if hasattr(spec, "declare"):
        return cast("Part", spec)
    return Kinds(spec, place) if isinstance(spec, Mapping) else Parameter(spec)


def below(prefix: str, name: object) -> str:
    """The name of what lies below another."""
    return f"{prefix}_{name}" if prefix else str(name)
