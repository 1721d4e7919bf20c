"""From a command with placeholders and a configuration to an argument vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ambs_hpc.problem.objective import PLACEHOLDER
from ambs_hpc.records import Configuration, Value


def anchored(entries: Sequence[str], directory: str) -> list[str]:
    """The entries, with those that name a file beside the problem file made absolute.

    Evaluations run in folders of their own, so `python train.py` would not find its `train.py`.
    """
    return [str(Path(directory) / entry) if _is_beside(entry, directory) else entry for entry in entries]


def filled(entries: Sequence[str], configuration: Configuration) -> list[str]:
    """The argument vector of one configuration.

    `{name}` becomes the value, `{{` a brace. An entry that names an inactive parameter is left out, and so is
    an option right before it that has its value there: `--momentum {momentum}` vanishes as a whole.
    """
    arguments: list[str] = []
    previous = ""
    for entry in entries:
        names = [match.group(1) for match in PLACEHOLDER.finditer(entry) if match.group(1) is not None]
        if all(name in configuration for name in names):
            arguments.append(_fill(entry, configuration))
        elif entry.startswith("{") and _is_bare_option(previous):
            arguments.pop()
        previous = entry
    return arguments


def _fill(entry: str, values: Mapping[str, Value]) -> str:
    return PLACEHOLDER.sub(
        lambda match: match.group(0)[0] if match.group(1) is None else text_of(values[match.group(1)]), entry
    )


def text_of(value: Value) -> str:
    """A value as a program reads it: the shortest text that gives back the same number; true and false."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def _is_bare_option(entry: str) -> bool:
    return entry.startswith("-") and "=" not in entry and not PLACEHOLDER.search(entry)


def _is_beside(entry: str, directory: str) -> bool:
    if not entry or entry.startswith(("-", "/")) or PLACEHOLDER.search(entry):
        return False
    return (Path(directory) / entry).exists()
