"""How an objective is called: with the configuration as one dict, or with each parameter by its name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

Objective = Callable[[dict[str, Any]], object]


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a function can be called with.

    Args:
        by_position: names of those that can be given by position, in their order.
        by_name: names of those that can be given by name.
        required: names of those without a default, of either kind.
        has_positions: it has `*args`.
        has_rest: it has `**rest`.
    """

    by_position: tuple[str, ...]
    by_name: tuple[str, ...]
    required: tuple[str, ...]
    has_positions: bool = False
    has_rest: bool = False

    def take_names(self, given: Collection[str]) -> bool:
        """Whether a call with exactly these names is possible, and is meant.

        `(*args, **rest)`, which a decorator may leave of any function, gets one dict.
        """
        if not given or (self.has_positions and not self.by_name):
            return False
        return all(name in given for name in self.required) and (
            self.has_rest or all(name in self.by_name for name in given)
        )

    def take_dict(self) -> bool:
        """Whether a call with one dict is possible."""
        takes_one = bool(self.by_position) or self.has_positions
        return takes_one and all(name in self.by_position[:1] for name in self.required)


def signature_of(function: Callable[..., object]) -> inspect.Signature | None:
    """Its signature; None where Python does not know it."""
    try:
        return inspect.signature(function)
    except Exception:  # noqa: BLE001  the border to a person's classes: `__signature__` may raise anything
        return None


def arguments_of(function: Callable[..., object]) -> Arguments | None:
    """What it can be called with; None where Python does not know."""
    signature = signature_of(function)
    if signature is None:
        return None
    parameters = signature.parameters.values()
    kinds = inspect.Parameter
    plain = [one for one in parameters if one.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)]
    return Arguments(
        tuple(one.name for one in plain if one.kind is not kinds.KEYWORD_ONLY),
        tuple(one.name for one in plain if one.kind is not kinds.POSITIONAL_ONLY),
        tuple(one.name for one in plain if one.default is kinds.empty),
        any(one.kind is kinds.VAR_POSITIONAL for one in parameters),
        any(one.kind is kinds.VAR_KEYWORD for one in parameters),
    )


def taking_a_dict(function: Callable[..., object]) -> Objective:
    """The function as one that takes a configuration; how it wants it is found out here, once."""
    arguments = arguments_of(function)
    if arguments is None or not (arguments.by_name or arguments.has_rest):
        return function

    def objective(configuration: dict[str, Any]) -> object:
        if arguments.take_names(configuration):
            return function(**configuration)
        return function(configuration)

    return objective
