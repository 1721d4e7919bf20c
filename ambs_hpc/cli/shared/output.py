"""Output of results: tables for people, JSON for scripts, files that either asked for."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from ambs_hpc.cli.shared.terminal import harmless, write
from ambs_hpc.shown_text import cell as cell
from ambs_hpc.shown_text import duration as duration


def print_json(value: object) -> None:
    """Print a JSON document on stdout; times are numbers of seconds since 1970 UTC.

    Texts are exact: JSON writes what is not printable ASCII as an escape, so that nothing has to be changed.
    """
    sys.stdout.write(json.dumps(value, indent=2, default=str).replace("\x7f", "\\u007f") + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print aligned columns on a terminal, tab-separated lines into a pipe."""
    if not sys.stdout.isatty():
        for line in (columns, *rows):
            write("\t".join(cell(value) for value in line) + "\n", is_stored=True)
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


def utc(seconds: float | None) -> str:
    """Seconds since 1970 as a UTC time to the second."""
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def iso_utc(seconds: float | None) -> str | None:
    """Seconds since 1970 as ISO 8601 in UTC to the millisecond, 2026-01-31T23:59:59.250Z."""
    if seconds is None:
        return None
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def writing(file: Path, option: str = "--output", *, is_added_to: bool = False) -> Iterator[None]:
    """The block writes `file`, a file or a folder.

    Args:
        option: with which another one is given.
        is_added_to: what is there stays; else a database is not written over.

    Raises:
        UsageError: it cannot be written: no such folder, no right to it, a full disk; or it is a database.
    """
    from ambs_hpc.errors import UsageError
    from ambs_hpc.reporting.whole_file import check_no_database

    if not is_added_to:
        check_no_database(file, option)
    try:
        yield
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise UsageError(f"{file} cannot be written: {why}. Give another {option}.") from error
