"""Tables and texts of the report as HTML; whatever comes from the database is escaped here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from html import escape

from ambs_hpc.shown_text import cell, harmless

_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ")


def text(value: object) -> str:
    """A value as HTML text: escaped, and without signs that control or reorder what is shown."""
    return escape(harmless(cell(value)), quote=True)


def utc(seconds: float | None) -> str:
    """Seconds since 1970 as a UTC time to the second; "" for none."""
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(seconds, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")
    except (OSError, OverflowError, ValueError):  # no year of any calendar: somebody's program stored it
        return f"{seconds:g} s"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], caption: str, *, empty: str) -> str:
    """A table with a caption for those who cannot see it; the sentence `empty` where it has no rows.

    Numbers stand to the right.
    """
    lines = [
        "<tr>" + "".join(_cell(value, is_first=index == 0) for index, value in enumerate(row)) + "</tr>"
        for row in rows
    ]
    if not lines:
        return f"<p class=quiet>{text(empty)}</p>"
    head = "".join(f"<th scope=col>{text(column)}</th>" for column in columns)
    return (
        f'<div class=wide tabindex=0 role=region aria-label="{text(caption)}"><table><caption>{text(caption)}'
        f"</caption><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def pairs(rows: Iterable[tuple[str, object]], caption: str) -> str:
    """A table of two columns, a name and its value; names without a value are left out."""
    lines = [
        f"<tr><th scope=row>{text(name)}</th><td>{text(value)}</td></tr>"
        for name, value in rows
        if value is not None and value != ""
    ]
    return f"<table class=pairs><caption>{text(caption)}</caption><tbody>{''.join(lines)}</tbody></table>"


def _cell(value: object, *, is_first: bool) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    shown = text(value)
    if is_first and not is_number:
        return f"<th scope=row>{shown}</th>"
    kind = "number" if is_number else "time" if _TIME.fullmatch(shown) else ""
    return f"<td class={kind}>{shown}</td>" if kind else f"<td>{shown}</td>"
