"""Whether a function can be the objective of a space, from what a trial import told of it; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ambs_hpc.errors import nearest
from ambs_hpc.launcher.supervisor.functions.call_form import Arguments
from ambs_hpc.launcher.supervisor.functions.trial_main import (
    CLASS,
    COROUTINE,
    FUNCTION,
    GENERATOR,
    IMPORT_FAILED,
    MISSING,
)

ONE_DICT = "def {name}(configuration)"
# What cannot be read as a number or a dict; the rest of what people write there may be one.
NO_RESULTS = {
    **dict.fromkeys(("str", "bytes", "None", "NoneType", "bool", "complex", "list", "tuple", "set"), ""),
    **dict.fromkeys(("Sequence", "Iterable", "Iterator", "Generator", "Awaitable", "Coroutine"), ""),
}
_OUTER = re.compile(r"(?:[A-Za-z_]+\.)*([A-Za-z_]+)(?:\[.*\])?")


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with an objective, and what to do: each one or more sentences, without the last dot."""

    seen: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Named:
    """The names of a space.

    Args:
        parameters: all of them.
        always: those that every configuration has; the others may be inactive, and are then absent.
    """

    parameters: Sequence[str]
    always: Sequence[str]


def mistake_in(told: Mapping[str, Any], objective: str, space: Named) -> Mistake | None:
    """What is wrong with the objective "module:function"; None when it fits.

    Args:
        told: as `trial_main.told_of` returns it.
    """
    module, _, name = objective.partition(":")
    what = told["what"]
    if what == IMPORT_FAILED:
        seen = f"module {module!r} cannot be imported: {told['error']}"
        return Mistake(seen, "Correct it, or install what is missing")
    if what == MISSING:
        names = told["names"]
        remedy = nearest(name, names) if names else f"It has none at all: write `{_one_dict(name)}:`"
        return Mistake(f"module {module!r} has no function {name!r}", remedy)
    return _wrong_kind(what, name) or _wrong_result(told["returns"], name) or _wrong_call(told, name, space)


def _wrong_kind(what: str, name: str) -> Mistake | None:
    if what == FUNCTION:
        return None
    if what == CLASS:
        return Mistake(f"{name} is a class", "Name a function that makes one of it and returns a number")
    if what == COROUTINE:
        remedy = "Write it with def; within it, asyncio.run(...) can run coroutines"
        return Mistake(f"{name} is a coroutine (async def)", remedy)
    if what == GENERATOR:
        return Mistake(f"{name} is a generator: it has a yield", "Return one number at its end instead")
    return Mistake(f"{name} is of type {what} and cannot be called", "Name a function")


def _wrong_result(returns: str, name: str) -> Mistake | None:
    text = returns.strip().strip("'\"")
    found = _OUTER.fullmatch(text)
    if found is None or (found[1] not in NO_RESULTS and found[1].lower() not in NO_RESULTS):
        return None
    return Mistake(
        f"{name} is annotated to return {text}",
        "It must return a number, or a dict with 'objective' and other metrics: correct it or the annotation",
    )


def _wrong_call(told: Mapping[str, Any], name: str, space: Named) -> Mistake | None:
    if told["arguments"] is None:
        return None
    arguments = Arguments(**told["arguments"])
    if arguments.take_names(space.parameters):
        return _absent_ones(arguments, name, space) or _unclear(arguments, name, space)
    is_by_name = any(one in space.parameters for one in (*arguments.by_name, *arguments.by_position))
    if arguments.take_dict() and not is_by_name:
        return None
    return _unfit(arguments, name, space)


def _absent_ones(arguments: Arguments, name: str, space: Named) -> Mistake | None:
    absent = [one for one in arguments.required if one not in space.always]
    if not absent:
        return None
    return Mistake(
        f"{name} needs {_listed(absent)}, which not every configuration has: inactive parameters are absent",
        f"Give a default, as {absent[0]}=None",
    )


def _unclear(arguments: Arguments, name: str, space: Named) -> Mistake | None:
    """`train(configuration=None, **rest)`: it could be called in both ways."""
    if not arguments.by_position or any(one in space.parameters for one in arguments.by_position):
        return None
    first = arguments.by_position[0]
    return Mistake(
        f"{name}({first}=..., **rest) could be called with one dict or with each parameter by its name",
        f"Take `{first}` alone for the dict, or put `*` before it for the names",
    )


def _unfit(arguments: Arguments, name: str, space: Named) -> Mistake:
    shown = f"{name}({', '.join(_shown(arguments))})"
    by_name = f"def {name}({_wanted(space)})"
    either = f"Take one dict, `{_one_dict(name)}`, or each parameter by its name, `{by_name}`"
    if not arguments.by_position and not arguments.by_name:
        return Mistake(f"{shown} takes no arguments", either)
    only = [one for one in arguments.by_position if one not in arguments.by_name and one in space.parameters]
    if only:
        return Mistake(f"{shown} takes {_listed(only)} by position only (before the `/`)", either)
    unknown = [one for one in arguments.required if one not in space.parameters]
    left = [] if arguments.has_rest else [one for one in space.parameters if one not in arguments.by_name]
    seen = []
    if unknown:
        seen.append(f"needs {_listed(unknown)}, which the space does not have")
    if left:
        seen.append(f"does not take {_listed(left)} of the space")
    meant, question, _ = nearest(unknown[0], left).partition("? ") if unknown else ("", "", "")
    return Mistake(f"{shown} {', and '.join(seen)}", f"{meant}{question}{either}" if question else either)


def _shown(arguments: Arguments) -> list[str]:
    names = [*arguments.by_position, *(one for one in arguments.by_name if one not in arguments.by_position)]
    shown = [one if one in arguments.required else f"{one}=..." for one in names]
    return shown + ["*args"] * arguments.has_positions + ["**rest"] * arguments.has_rest


def _wanted(space: Named) -> str:
    shown = [one if one in space.always else f"{one}=None" for one in space.parameters if one.isidentifier()]
    shown.sort(key=lambda one: one.endswith("=None"))
    return ", ".join(shown + ["**rest"] * (len(shown) < len(space.parameters)))


def _one_dict(name: str) -> str:
    return ONE_DICT.format(name=name)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(one) for one in names)
