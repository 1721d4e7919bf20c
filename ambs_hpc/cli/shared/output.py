"""Output of results: tables for people, JSON for scripts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone

from ambs_hpc.cli.shared.terminal import harmless, write


def print_json(value: object) -> None:
    """Print a JSON document on stdout; times are numbers of seconds since 1970 UTC.

    Texts are exact: JSON writes what is not printable ASCII as an escape, so that nothing has to be changed.
    """
    sys.stdout.write(json.dumps(value, indent=2, default=str).replace("\x7f", "\\u007f") + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print aligned columns on a terminal, tab-separated lines into a pipe."""
    if not sys.stdout.isatty():
        for line in (columns, *rows):
            write("\t".join(cell(value) for value in line) + "\n")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(Text(harmless(cell(column))), overflow="fold")
    for row in rows:
        table.add_row(*(Text(harmless(cell(value))) for value in row))  # a Text has no markup
    Console().print(table)


def cell(value: object) -> str:
    """A value as one short text without line breaks."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return " ".join(f"{cell(name)}={cell(item)}" for name, item in value.items())
    return " ".join(str(value).split())


def utc(seconds: float | None) -> str:
    """Seconds since 1970 as a UTC time to the second."""
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float | None) -> str:
    """A duration in readable units: 4.2 s, 3 min 20 s, 2 h 5 min."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{max(seconds, 0.0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
