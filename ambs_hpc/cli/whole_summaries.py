"""A table of commands in `--help` that says each summary to its end; typer's own cuts it at one line."""

from __future__ import annotations

from typing import Any

import typer.core


class WholeSummaries(typer.core.TyperGroup):
    """A group whose `--help` wraps the first sentence of each command instead of cutting it."""

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
