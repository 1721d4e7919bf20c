"""Expansion of compressed lists of nodes: `n[1-3,07]b`, `340-343,350`, and one name on each line."""

from __future__ import annotations

import itertools
import re

_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_RANGE = re.compile(r"(\d+)(?:-(\d+))?\Z")
_ENTRY = re.compile(r"(?:[^\[\],]|\[[^\[\]]*\])+")


def expand_hosts(text: str) -> tuple[str, ...]:
    """The names of a Slurm or Cobalt host list; leading zeros are kept, several brackets multiply.

    Raises:
        ValueError: a bracket is not closed, or a range is malformed.
    """
    text = text.strip()
    entries = _ENTRY.findall(text)
    if ",".join(entries) != text:
        raise ValueError(f"node list {text!r}: expected names such as n[1-4,07] separated by commas")
    return tuple(name for entry in entries for name in _expand_entry(entry))


def _expand_entry(entry: str) -> list[str]:
    pieces = _BRACKETS.split(entry)  # literal, inside, literal, inside, ..., literal
    choices = [_expand_ranges(piece) if index % 2 else [piece] for index, piece in enumerate(pieces)]
    return ["".join(parts) for parts in itertools.product(*choices)]


def expand_numbers(text: str) -> tuple[str, ...]:
    """The node numbers of a Cray under Cobalt, `340-343,350`.

    Raises:
        ValueError: the text has another form.
    """
    return tuple(_expand_ranges(text.strip()))


def _expand_ranges(text: str) -> list[str]:
    numbers: list[str] = []
    for part in text.split(","):
        found = _RANGE.match(part)
        if not found or int(found[1]) > int(found[2] or found[1]):
            raise ValueError(f"node list {text!r}: {part!r} is no number and no rising range")
        width = len(found[1]) if found[1].startswith("0") else 0
        numbers += [f"{number:0{width}d}" for number in range(int(found[1]), int(found[2] or found[1]) + 1)]
    return numbers


def unique_lines(text: str) -> tuple[str, ...]:
    """The names of a node file, each once, in the order of their first line."""
    return tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
