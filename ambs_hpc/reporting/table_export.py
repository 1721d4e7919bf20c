"""Tables of evaluations in the formats of other tools: CSV for spreadsheets, Parquet for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ambs_hpc.errors import UsageError

Row = dict[str, Any]
# By these a spreadsheet knows a formula, which could send the table elsewhere; also in their full width.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_INT64 = range(-(2**63), 2**63)


def csv_text(rows: Sequence[Row], order: Sequence[str] = ()) -> str:
    """The rows as CSV; a text that a spreadsheet would take for a formula begins with an apostrophe.

    Args:
        order: of these columns among each other; they stand where the first of them does.
    """
    columns = _columns(rows, order)
    lines: list[list[object]] = [[*columns], *([row.get(name) for name in columns] for row in rows)]
    return "".join(map(_csv_line, lines))


def write_parquet(rows: Sequence[Row], file: Path, order: Sequence[str] = ()) -> None:
    """Write the rows as Parquet; values that no type of Parquet can hold become texts.

    Args:
        order: as for `csv_text`.

    Raises:
        UsageError: pyarrow is missing, or a column cannot be written; the message names it.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError("parquet needs pyarrow: pip install 'ambs-hpc[parquet]'.") from error
    arrays = {}
    for name in _columns(rows, order):
        try:
            arrays[_encodable(name)] = pyarrow.array(_uniform([row.get(name) for row in rows]))
        except (pyarrow.ArrowException, ValueError, OverflowError, TypeError) as error:
            raise UsageError(
                f"Column {name!r} cannot be written as parquet: {error}. Try csv or json."
            ) from error
    pyarrow.parquet.write_table(pyarrow.table(arrays), file)


def _columns(rows: Sequence[Row], order: Sequence[str]) -> list[str]:
    found = list(dict.fromkeys(name for row in rows for name in row))
    places = [found.index(name) for name in order if name in found]
    if not places:
        return found
    moved = [name for name in order if name in found]
    before = [name for name in found[: min(places)] if name not in moved]
    return [*before, *moved, *(name for name in found[min(places) :] if name not in moved)]


def _csv_line(values: Sequence[object]) -> str:
    line = io.StringIO()
    # With both signs of a line end as its own, the writer quotes cells that have either of them.
    csv.writer(line, lineterminator="\r\n").writerow([_csv_cell(value) for value in values])
    return line.getvalue().removesuffix("\r\n") + "\n"


def _csv_cell(value: object) -> object:
    if value is None or isinstance(value, int | float):
        return value
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _uniform(values: list[Any]) -> list[Any]:
    """A column of one type: values of several, nested metrics and integers over 64 bits become texts."""
    kinds = {type(value) for value in values if value is not None}
    whole = [value for value in values if isinstance(value, int)]
    if kinds == {int, float} and all(abs(value) <= 2**53 for value in whole):
        return [None if value is None else float(value) for value in values]  # exact up to there
    if kinds <= {float} or kinds == {bool}:
        return values
    if kinds == {int} and all(value in _INT64 for value in whole):
        return values
    return [None if value is None else _encodable(str(value)) for value in values]


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
