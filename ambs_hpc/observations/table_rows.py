"""CSV and JSON texts as rows with their places; what the columns mean is not known here."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ambs_hpc.errors import UsageError

_DELIMITERS = (",", ";", "\t")
_LONGEST_CELL = 1 << 24


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: its place for messages, its cells by column, and why it cannot be read; "" where it can."""

    place: str
    cells: Mapping[str, object]
    broken: str = ""


def read_csv(where: str, text: str) -> list[TableRow]:
    """The rows below the header; the delimiter is that of the header: comma, semicolon or tab.

    Raises:
        UsageError: there is no header, or it has a name twice.
    """
    csv.field_size_limit(_LONGEST_CELL)
    first_line = text.split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=first_line.count)  # the first of equals: a single column has a comma's
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = [name.strip() for name in next(lines, [])]
        _check_header(where, header)
        return [_row(f"{where}, line {line}", header, cells) for line, cells in _numbered(lines)]
    except csv.Error as error:
        raise UsageError(f"{where}, line {lines.line_num}: {error}. Write it again as CSV.") from error


def read_json(where: str, text: str) -> list[TableRow]:
    """The objects of a list, of a single object that holds one list, or of one line each.

    Raises:
        UsageError: it is none of these.
    """
    try:
        document = json.loads(text)
        items = _list_of(document)
        places = [f"{where}, entry {number}" for number in range(1, len(items or ()) + 1)]
    except ValueError as error:
        numbered = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        try:
            items = [json.loads(line) for _, line in numbered]
        except ValueError:
            raise UsageError(f"{where} is not JSON: {error}.") from error
        places = [f"{where}, line {number}" for number, _ in numbered]
    if items is None:
        raise UsageError(
            f"{where}: give a list with an object an evaluation, such as "
            '[{"configuration": {"lr": 0.003}, "objective": 0.91}].'
        )
    return [_json_row(place, item) for place, item in zip(places, items, strict=True)]


def _numbered(lines: object) -> list[tuple[int, list[str]]]:
    """The line at which each row ends, and its cells; empty lines are left out."""
    rows = []
    for cells in lines:  # type: ignore[attr-defined]  # csv has no public type of its readers
        if cells:
            rows.append((lines.line_num, cells))  # type: ignore[attr-defined]  # as above
    return rows


def _check_header(where: str, header: list[str]) -> None:
    if not any(header):
        raise UsageError(f"{where} is empty: its first line must name the columns.")
    twice = [name for name, number in Counter(header).items() if number > 1 and name]
    if twice:
        raise UsageError(f"{where}: the column {twice[0]!r} is there twice. Rename or remove one of them.")


def _row(place: str, header: list[str], cells: list[str]) -> TableRow:
    if len(cells) > len(header):
        broken = f"has {len(cells)} cells under {len(header)} columns: quote texts that hold a delimiter"
        return TableRow(place, {}, broken)
    missing = [""] * (len(header) - len(cells))
    named = dict(zip(header, cells + missing, strict=True))
    named.pop("", None)  # the index that pandas writes has no name
    return TableRow(place, named)


def _list_of(document: object) -> list[object] | None:
    if isinstance(document, list):
        return document
    if isinstance(document, dict):
        lists = [value for value in document.values() if isinstance(value, list)]
        return lists[0] if len(lists) == 1 else [document]
    return None


def _json_row(place: str, item: object) -> TableRow:
    if not isinstance(item, dict):
        return TableRow(place, {}, f"is {json.dumps(item)[:60]}: give an object with names and values")
    return TableRow(place, item)
