"""The options of Optuna's samplers: which of their constructors' parameters a command line can give."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping

from ambs_hpc.errors import UsageError, nearest

PLAIN = {"int": int, "float": float, "bool": bool, "str": str}  # kinds of option that a command line can give

Kinds = Mapping[str, tuple[type, ...]]


def option_kinds(signature: Mapping[str, inspect.Parameter]) -> Kinds:
    """The constructor's parameters that take plain values; callables and objects cannot be stored."""
    kinds: dict[str, tuple[type, ...]] = {}
    for name, parameter in signature.items():
        words = str(parameter.annotation).replace("Optional[", "").replace("]", "").split("|")
        found = {word.strip() for word in words} - {"None"}
        if name not in ("self", "seed") and found and found <= PLAIN.keys():
            kinds[name] = tuple(PLAIN[word] for word in sorted(found))
    return kinds


def checked_option(method: str, name: str, value: object, kinds: Kinds) -> object:
    """The value of an option as its constructor takes it.

    Raises:
        UsageError: there is no such option, or the value is of no kind that it takes.
    """
    if name not in kinds:
        accepted = nearest(name, kinds) if kinds else "It has none."
        raise UsageError(f"method {method!r} has no option {name!r}. {accepted}")
    read = _read(value, kinds[name])
    if read is None:
        wanted = " or ".join(kind.__name__ for kind in kinds[name])
        raise UsageError(f"option {name}={value!r} of {method!r}: give a value of kind {wanted}.")
    return read


def _read(value: object, kinds: tuple[type, ...]) -> object | None:
    """The value as one of these kinds, or None: a command line gives text, a stored campaign JSON."""
    if isinstance(value, str) and str not in kinds:
        try:
            value = json.loads(value.lower())
        except json.JSONDecodeError:
            return None
    if type(value) in kinds:
        return value
    return float(value) if type(value) is int and float in kinds else None
