"""Many rows in one statement, on both databases; the one place where their SQL differs for that reason.

PostgreSQL gets arrays through `unnest` and answers once; SQLite has no round trips to save and runs one
prepared statement a row. Either way the text of the statement does not depend on the number of rows, so
SQLAlchemy compiles it once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    ColumnElement,
    Connection,
    Integer,
    Table,
    Text,
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

Row = Mapping[str, Any]


def id_in(connection: Connection, of: ColumnElement[Any], ids: Iterable[int]) -> ColumnElement[bool]:
    """`of IN ids` as one parameter, however many there are."""
    values = list(ids)
    if connection.dialect.name == "sqlite":
        each = func.json_each(json.dumps(values)).table_valued("value")
        return of.in_(select(cast(each.c.value, Integer)))
    return of == func.any(cast(bindparam(None, values, type_=ARRAY(of.type)), ARRAY(of.type)))


def insert_rows(
    connection: Connection, table: Table, rows: Sequence[Row], **computed: ColumnElement[Any]
) -> None:
    """Insert rows that all have the same keys; `computed` columns are the same expression for every row."""
    if not rows:
        return
    names = list(rows[0])
    if connection.dialect.name == "postgresql":
        batch, parameters = _unnested(table, names, rows)
        source = select(*(batch.c[name] for name in names), *computed.values())
        connection.execute(insert(table).from_select([*names, *computed], source), parameters)
    else:
        binds = {name: bindparam(name, type_=table.c[name].type) for name in names}
        connection.execute(insert(table).values({**binds, **computed}), rows)


def update_rows(
    connection: Connection, table: Table, key: Sequence[str], rows: Sequence[Row], where: ColumnElement[bool]
) -> None:
    """Set each row's other values where the `key` columns equal its own and `where` holds."""
    if not rows:
        return
    names = list(rows[0])
    if connection.dialect.name == "postgresql":
        batch, parameters = _unnested(table, names, rows)
        mine = and_(*(table.c[name] == batch.c[name] for name in key))
        new = {name: _typed(table.c[name], batch.c[name]) for name in names if name not in key}
        connection.execute(update(table).where(mine, where).values(new), parameters)
    else:
        binds = {name: bindparam(f"new_{name}", type_=table.c[name].type) for name in names}
        mine = and_(*(table.c[name] == binds[name] for name in key))
        new = {name: binds[name] for name in names if name not in key}
        connection.execute(
            update(table).where(mine, where).values(new),
            [{f"new_{name}": value for name, value in row.items()} for row in rows],
        )


def _unnested(table: Table, names: list[str], rows: Sequence[Row]) -> tuple[FromClause, dict[str, Any]]:
    arrays = [
        cast(bindparam(f"all_{name}", type_=ARRAY(_plain(table.c[name]))), ARRAY(_plain(table.c[name])))
        for name in names
    ]
    batch = (
        func.unnest(*arrays)
        .table_valued(*(column(name, _plain(table.c[name])) for name in names), name="batch")
        .render_derived()
    )
    parameters = {f"all_{name}": [_sent(table.c[name], row[name]) for row in rows] for name in names}
    return batch, parameters


def _plain(of: Column[Any]) -> Any:
    return Text() if isinstance(of.type, JSON) else of.type


def _sent(of: Column[Any], value: Any) -> Any:
    return json.dumps(value) if isinstance(of.type, JSON) and value is not None else value


def _typed(of: Column[Any], value: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(value, JSON) if isinstance(of.type, JSON) else value
