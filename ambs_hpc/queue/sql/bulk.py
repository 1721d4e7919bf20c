"""Writes many rows by one statement on both databases; only here does their SQL differ for that reason.

PostgreSQL gets one JSON text, which it parses faster than as many parameters (numbers keep every bit), and
answers once; SQLite has no round trips to save, and runs one prepared statement a row. Either way the text of
the statement does not depend on the number of rows: it is built once (SQLAlchemy takes longer to build one
than the database to run it) and compiled once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Insert,
    Integer,
    Table,
    Text,
    Update,
    and_,
    bindparam,
    cast,
    column,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.sql.selectable import FromClause

from ambs_hpc.queue.sql.clock import clock_of, present
from ambs_hpc.records.stored_ranges import LARGEST_ID

Row = Mapping[str, Any]


def id_in(connection: Connection, of: ColumnElement[Any], ids: Iterable[int]) -> ColumnElement[bool]:
    """`of IN ids` as one parameter, however many there are."""
    dialect = connection.dialect.name
    return listed(dialect, of, None, listed_value(dialect, ids))


def listed(
    dialect: str, of: ColumnElement[Any], parameter: str | None, value: str | None = None
) -> ColumnElement[bool]:
    """The condition that `of` is in a list: in `value`, or in the one that is sent as `parameter`."""
    sent = (
        bindparam(parameter, value, type_=Text()) if parameter is None else bindparam(parameter, type_=Text())
    )
    if dialect == "sqlite":
        each = func.json_each(sent).table_valued("value")
        return of.in_(select(cast(each.c.value, Integer)))
    return of == func.any(cast(sent, ARRAY(BigInteger)))


def listed_value(dialect: str, ids: Iterable[int]) -> str:
    """The list in the form in which the parameter is sent; no row has an id that is larger than any."""
    inside = ",".join(str(one) for one in ids if abs(one) <= LARGEST_ID)
    return f"[{inside}]" if dialect == "sqlite" else f"{{{inside}}}"


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row], stamp: str) -> None:
    """Insert rows that all have the same keys; the column `stamp` is set to the present time."""
    if not rows:
        return
    names, dialect, clock = tuple(rows[0]), connection.dialect.name, clock_of(connection)
    statement = _insert_statement(table, names, stamp, dialect, clock is not None)
    now = {"present": clock.now()} if clock else {}
    if dialect == "postgresql":
        connection.execute(statement, {"batch": json.dumps(rows), **now})
    else:
        connection.execute(statement, [{**row, **now} for row in rows])


def update_rows(
    connection: Connection,
    table: Table,
    guards: Sequence[tuple[str, str]],
    rows: Sequence[Row],
    same: Row = MappingProxyType({}),
) -> None:
    """Set each row's values, and those that are the `same` for all, where it finds what it expects.

    Args:
        guards: (column, key of the rows that holds the expected value), with `id`; these keys are not set.
        rows: all with the same keys.
    """
    if not rows:
        return
    names, dialect = tuple(rows[0]), connection.dialect.name
    statement = _update_statement(table, names, tuple(guards), tuple(same), dialect)
    for_all = {f"same_{name}": value for name, value in same.items()}
    if dialect == "postgresql":
        ids = listed_value(dialect, (row["id"] for row in rows))
        connection.execute(statement, {"batch": json.dumps(rows), "ids": ids, **for_all})
    else:
        sent = [{**{f"new_{name}": row[name] for name in names}, **for_all} for row in rows]
        connection.execute(statement, sent)


@cache
def _insert_statement(
    table: Table, names: tuple[str, ...], stamp: str, dialect: str, clocked: bool
) -> Insert:
    now: ColumnElement[float] = present(clocked)
    if dialect == "postgresql":
        batch = _recordset({name: table.c[name] for name in names})
        source = select(*(batch.c[name] for name in names), now)
        return insert(table).from_select([*names, stamp], source)
    return insert(table).values({**{name: bindparam(name) for name in names}, stamp: now})


@cache
def _update_statement(
    table: Table,
    names: tuple[str, ...],
    guards: tuple[tuple[str, str], ...],
    same: tuple[str, ...],
    dialect: str,
) -> Update:
    expected = dict(guards)
    types = {name: table.c[name] for name in names if name in table.c} | {
        key: table.c[name] for name, key in guards
    }
    sent: Any
    if dialect == "postgresql":
        batch = _recordset({name: types[name] for name in names})
        sent = {name: batch.c[name] for name in names}
    else:
        sent = {name: bindparam(f"new_{name}", type_=types[name].type) for name in names}
    matches = and_(*(table.c[name] == sent[key] for name, key in guards))
    if dialect == "postgresql":
        # The join alone does not tell the planner how few rows these are, and by which index to find them.
        matches = and_(listed(dialect, table.c.id, "ids"), matches)
    new = {name: sent[name] for name in names if name not in expected.values()}
    new |= {name: bindparam(f"same_{name}", type_=table.c[name].type) for name in same}
    return update(table).where(matches).values(new)


def _recordset(types: Mapping[str, Column[Any]]) -> FromClause:
    """A table `batch` with a row for each object of the JSON array that is sent as `batch`."""
    columns = [column(name, of.type) for name, of in types.items()]
    sent = cast(bindparam("batch", type_=Text()), JSON)
    return func.json_to_recordset(sent).table_valued(*columns).render_derived(name="batch", with_types=True)
