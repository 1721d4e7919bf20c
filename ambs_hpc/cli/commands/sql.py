"""`ambs sql`: runs a read-only query on the views."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import typer

from ambs_hpc.cli.shared.options import AsJson, Database

_TIME_NAME = re.compile(r"(^|_)at\b")  # as our tables name times, and what is computed of one
_SOME_TIMES = (1e9, 1e10)  # seconds since 1970 of which one can be sure: 2001 to 2286


def sql(
    query: Annotated[
        str, typer.Argument(metavar="QUERY", help="A SELECT statement, for instance on v_evaluations.")
    ],
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Run a read-only query; the database itself refuses anything else.

    Times of the tables, which are seconds since 1970, are shown as UTC; as JSON they stay numbers.
    """
    from ambs_hpc.cli.shared.options import chosen_database, open_engine
    from ambs_hpc.cli.shared.output import print_json, print_table
    from ambs_hpc.postgres_server import reader_instead
    from ambs_hpc.queue import run_read_only_sql

    columns, rows = run_read_only_sql(open_engine(reader_instead(chosen_database(db))), query)
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(*_with_times(columns, rows))


def _with_times(columns: list[str], rows: Sequence[Sequence[object]]) -> tuple[list[str], list[list[object]]]:
    """The table with times to read, in columns that are named for one and hold nothing else."""
    from ambs_hpc.cli.shared.output import utc

    shown, titles = [list(row) for row in rows], list(columns)
    for place, name in enumerate(columns):
        given = [row[place] for row in rows if row[place] is not None]
        if not (_TIME_NAME.search(name) and given and all(map(_is_time, given))):
            continue
        titles[place] = f"{name} (UTC)"
        for row in shown:
            seconds = row[place]
            row[place] = utc(seconds) if isinstance(seconds, int | float) else None
    return titles, shown


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and _SOME_TIMES[0] <= value < _SOME_TIMES[1]
