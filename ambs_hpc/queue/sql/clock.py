"""The time that goes into the tables: the database's own, so that the clocks of many hosts need not agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Connection, Double, bindparam, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.sql.compiler import SQLCompiler

    from ambs_hpc.clock import Clock


class DatabaseNow(FunctionElement[float]):
    """Seconds since 1970 UTC by the database's clock, at the moment it is evaluated."""

    type = Double()
    inherit_cache = True


@compiles(DatabaseNow, "postgresql")
def _postgresql(element: DatabaseNow, compiler: SQLCompiler, **options: Any) -> str:
    # now() stands still within a transaction; a lease must not.
    return "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)"


@compiles(DatabaseNow, "sqlite")
def _sqlite(element: DatabaseNow, compiler: SQLCompiler, **options: Any) -> str:
    # unixepoch('subsec') needs SQLite 3.42; a julian day resolves to 0.04 ms.
    return "((julianday('now') - 2440587.5) * 86400.0)"


def now(connection: Connection) -> ColumnElement[float]:
    """The present time as an SQL expression; the execution option `clock` overrules the database's clock."""
    clock = clock_of(connection)
    return DatabaseNow() if clock is None else literal(clock.now(), Double())


def read_now(connection: Connection) -> float:
    """The present time in seconds since 1970 UTC."""
    clock = clock_of(connection)
    return connection.execute(_NOW).scalar_one() if clock is None else clock.now()


_NOW = select(DatabaseNow())


def clock_of(connection: Connection) -> Clock | None:
    """The clock that overrules the database's, if there is one."""
    return cast("Clock | None", connection.get_execution_options().get("clock"))


def present(clocked: bool) -> ColumnElement[float]:
    """The present time in a statement that is built once; with a clock it is the parameter `present`."""
    return bindparam("present", type_=Double()) if clocked else DatabaseNow()
