"""A table of commands: `--help` says each summary to its end, no option of theirs takes an empty value."""

from __future__ import annotations

from typing import Any

import typer
import typer.core

DATABASE = "--db"  # says itself what it takes


class WholeSummaries(typer.core.TyperGroup):
    """A group whose `--help` wraps the first sentence of each command instead of cutting it.

    An empty value is what a script gives whose variable is not set. As no value at all it would mean all
    campaigns, or another queue than was meant, so it is refused for every command.
    """

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        given = (
            [] if command is None else [one for one in command.params if not getattr(one, "is_flag", True)]
        )
        spellings = {spelling for one in given for spelling in one.opts} - {DATABASE}
        for before, argument in zip(["", *rest], rest, strict=False):
            option = before if not argument else argument.removesuffix("=")
            if option in spellings and (not argument or (argument != option and option.startswith("--"))):
                words = "its value is empty. Give one, or leave the option away."
                raise typer.BadParameter(words, ctx=ctx, param_hint=f"'{option}'")
        return name, command, rest

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, first_sentence(one.help or "")) for name, one in found if one and not one.hidden]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def first_sentence(text: str) -> str:
    """The first sentence of a help text, on one line."""
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    sentence, stop, _rest = paragraph.partition(". ")
    return sentence + stop.strip()
