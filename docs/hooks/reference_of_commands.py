"""The page of commands, made from the program itself, so that it cannot say anything else than `--help`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
from reference_pages import filled_in

from ambs_hpc.cli.main import app

ADDRESS = "reference/commands.md"
HEAD = "| command | what it does |\n| --- | --- |\n"


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Fill the page in."""
    return filled_in(markdown, content()) if page.file.src_uri == ADDRESS else markdown


def content() -> str:
    """The page's body in Markdown: a table of all commands, then one section for each."""
    commands = list(_commands(typer.main.get_command(app), "ambs"))
    rows = "".join(f"| [`{name}`](#{_anchor(name)}) | {_summary(one)} |\n" for name, one in commands)
    return HEAD + rows + "\n" + _exit_codes() + "".join(_section(*one) for one in commands)


def _commands(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Names and commands; a group that does something by itself is one of them."""
    for name, one in group.commands.items():
        inner = getattr(one, "commands", {})
        if not one.hidden and (not inner or one.invoke_without_command):
            yield f"{prefix} {name}", one
        if inner:
            yield from _commands(one, f"{prefix} {name}")


def _section(name: str, command: Any) -> str:
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    words = " ".join(_argument(one) for one in arguments)
    lines = [f"\n## {name} {{ #{_anchor(name)} }}\n"]
    lines.append(f"```text\n{name} {'[OPTIONS] ' if options else ''}{words}".rstrip() + "\n```\n")
    lines.append(_cell(command.help or "", separator="\n\n") + "\n")
    rows = [(_argument(one), one) for one in arguments] + [(_option(one), one) for one in options]
    if rows:
        lines.append("| option | meaning |\n| --- | --- |")
        lines += [f"| `{word}` | {_cell(one.help or '')}{_bounds(one)} |" for word, one in rows]
    return "\n".join(lines) + "\n"


def _argument(argument: Any) -> str:
    word = (argument.metavar or argument.name.upper()).removesuffix("...")
    word += "..." if argument.nargs == -1 else ""
    return word if argument.required else f"[{word}]"


def _option(option: Any) -> str:
    value = "" if option.is_flag else " " + (option.metavar or option.type.name.upper().replace("|", r"\|"))
    return ", ".join(option.opts) + value


def _bounds(parameter: Any) -> str:
    """The default that the program would show."""
    if not getattr(parameter, "show_default", False) or parameter.default in (None, False, (), []):
        return " Required." if parameter.required and parameter.param_type_name == "option" else ""
    return f" Default: `{parameter.default}`."


def _summary(command: Any) -> str:
    return _cell((command.help or "").split("\n\n")[0])


def _cell(text: str, separator: str = " ") -> str:
    """Paragraphs, each on one line; nothing in them is markup."""
    paragraphs = [" ".join(one.split()) for one in text.strip().split("\n\n")]
    told = separator.join(paragraphs)
    return told.replace("|", r"\|").replace("*", r"\*").replace("<", "&lt;")


def _anchor(name: str) -> str:
    return name.replace(" ", "-")


def _exit_codes() -> str:
    said = typer.main.get_command(app).help or ""
    return _cell(said[said.index("Exit codes") :]) + "\n"
