"""Numbers among the metrics of results, taken out by the database: the rest, however long, is not sent."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    Numeric,
    Text,
    and_,
    case,
    cast,
    func,
    literal_column,
)

from ambs_hpc.problem.goals import OBJECTIVE, Constraint, Goals
from ambs_hpc.queue.schema.tables import evaluation
from ambs_hpc.queue.schema.views import LONG_EXPONENT, LONGEST_NUMBER, UNREADABLE_ESCAPE

COMPARISONS: dict[str, Callable[..., ColumnElement[bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def goal_number(connection: Connection, goals: Goals, name: str) -> ColumnElement[float]:
    """The number of that name in a result, NULL where there is none; see `Goals.value`."""
    column = evaluation.c
    if name in (OBJECTIVE, goals.names[0]):
        return column.objective
    if connection.dialect.name == "sqlite":
        path = f'$."{name}"'  # of the characters that METRIC accepts
        metrics = json_or_null(connection, column.metrics)  # or one unreadable text ends the statement
        kind = func.json_type(metrics, path)
        return case((kind.in_(["integer", "real"]), cast(func.json_extract(metrics, path), Double)))
    metric = json_or_null(connection, column.metrics)[name]
    return case((func.json_typeof(metric) == "number", _double(metric.as_string())))


def _double(text: ColumnElement[Any]) -> ColumnElement[Any]:
    """As in the views: NULL for a number that no double holds, which would end the statement."""
    size = func.abs(cast(text, Numeric))
    number = case(
        (size < literal_column("1e-323"), 0.0),
        (size < literal_column("1.7976931348623158e308"), cast(text, Double)),
    )
    is_short = and_(func.length(text) <= LONGEST_NUMBER, text.op("!~")(LONG_EXPONENT))
    return case((is_short, number))


def json_or_null(connection: Connection, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A JSON column, NULL where it holds what the database takes nothing out of.

    SQLite lets anybody write any text there; PostgreSQL stores escapes that it cannot read.
    """
    if connection.dialect.name == "sqlite":
        return case((func.json_valid(column) == 1, column))
    return case((cast(column, Text).op("!~")(UNREADABLE_ESCAPE), column))


def is_feasible(connection: Connection, goals: Goals) -> ColumnElement[bool]:
    """Whether a result has all objectives and is known to keep all bounds."""
    numbers = [goal_number(connection, goals, name).is_not(None) for name in goals.names]
    return and_(*numbers, *(_holds(connection, goals, one) for one in goals.constraints))


def _holds(connection: Connection, goals: Goals, one: Constraint) -> ColumnElement[bool]:
    value = goal_number(connection, goals, one.metric)
    return COMPARISONS[one.comparison](value, one.bound)
