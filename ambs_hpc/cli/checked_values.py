"""The values that no option of any command takes: an empty text, and NaN.

An empty value is what a script gives whose variable is not set. As no value at all it would mean all
campaigns, or another queue than was meant. NaN passes every bound, and no time or rate is one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import typer
import typer.core

Function = TypeVar("Function", bound=Callable[..., Any])


class CheckedCommand(typer.core.TyperCommand):
    """A command that is not called with such values."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        as_written, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        self._refuse(ctx, as_written, _is_empty, "its value is empty. Give one, or leave the option away.")
        rest: list[str] = super().parse_args(ctx, args)
        self._refuse(ctx, ctx.params, _is_nan, "nan is no number. Give one, as 2.5.")
        return rest

    def _refuse(self, ctx: Any, values: Any, is_wrong: Callable[[object], bool], words: str) -> None:
        for option in self.params:
            value = values.get(option.name)
            given = value if isinstance(value, list | tuple) else [value]
            if option.param_type_name == "option" and any(map(is_wrong, given)):
                raise typer.BadParameter(words, ctx=ctx, param=option)


class CheckedCommands(typer.Typer):
    """An application whose commands are `CheckedCommand`s."""

    def command(self, *given: Any, **settings: Any) -> Callable[[Function], Function]:
        """As that of typer."""
        return super().command(*given, cls=CheckedCommand, **settings)


def _is_empty(value: object) -> bool:
    return isinstance(value, str) and not value.strip()


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
