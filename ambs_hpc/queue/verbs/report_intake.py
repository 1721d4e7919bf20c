"""What evaluations told of themselves is stored: once, and only of attempts that were claimed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    Double,
    Integer,
    Text,
    bindparam,
    cast,
    column,
    exists,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from ambs_hpc.queue.schema.tables import evaluation_event, report
from ambs_hpc.queue.sql.row_mapping import json_value
from ambs_hpc.queue.verbs.counters import lock_campaigns_of
from ambs_hpc.queue.verbs.rungs.judgement import at_new_rungs, judge
from ambs_hpc.states import Move


@dataclass(frozen=True, slots=True)
class NewReport:
    """What an attempt told at a step.

    Args:
        token: of the attempt's claim.
        step: a whole number, in [0, 2**53].
        objective: finite.
        at: when it was told, seconds since 1970 UTC.
        thinned: reports of the attempt since the last one before it that are not kept.
    """

    evaluation_id: int
    attempt: int
    token: str
    step: int
    objective: float
    at: float
    metrics: Mapping[str, Any] = field(default_factory=dict)
    thinned: int = 0


# What is sent of each report, with its type.
_SENT: dict[str, Any] = {
    "evaluation_id": BigInteger,
    "step": BigInteger,
    "attempt": Integer,
    "objective": Double,
    "metrics": JSON(none_as_null=True),
    "at": Double,
    "thinned": Integer,
}
_STORED = tuple(_SENT)


def add_reports(connection: Connection, reports: Sequence[NewReport], ending: Sequence[int] = ()) -> None:
    """Store reports of any evaluations, by one statement, and decide what follows at rungs.

    Left out are those of attempts that were never claimed with their token, and those of a step of which the
    attempt has told before: what a decision may have been built on never changes, and whoever does not know
    whether reports were stored may store them again.

    Args:
        ending: ids of evaluations whose ends the transaction stores next: where anything is locked here,
            their campaigns are too, so that all take them in one order.
    """
    if not reports:
        return
    _insert(connection, reports)
    steps: dict[int, int] = {}
    for one in reports:
        steps[one.evaluation_id] = max(one.step, steps.get(one.evaluation_id, 0))
    if came := at_new_rungs(connection, steps):
        lock_campaigns_of(connection, [*came, *ending])
        judge(connection, came)


def _insert(connection: Connection, reports: Sequence[NewReport]) -> None:
    rows = [
        {
            "evaluation_id": one.evaluation_id,
            "step": one.step,
            "attempt": one.attempt,
            "objective": float(one.objective),
            "metrics": json_value(one.metrics) if one.metrics else None,
            "at": one.at,
            "thinned": one.thinned,
            "token": one.token,
        }
        for one in reports
    ]
    if connection.dialect.name == "postgresql":
        connection.execute(_statement("postgresql"), {"batch": json.dumps(rows)})
    else:
        connection.execute(_statement("sqlite"), rows)


@cache
def _statement(dialect: str) -> Any:
    """As in `bulk`: one JSON text on PostgreSQL, one prepared statement for all rows on SQLite."""
    types = {**_SENT, "token": Text}
    sent: dict[str, ColumnElement[Any]]
    if dialect == "postgresql":
        columns = [column(name, of) for name, of in types.items()]
        text = cast(bindparam("batch", type_=Text()), JSON)
        batch = func.json_to_recordset(text).table_valued(*columns)
        batch = batch.render_derived(name="batch", with_types=True)
        sent = {name: batch.c[name] for name in types}
    else:
        sent = {name: bindparam(name, type_=of) for name, of in types.items()}
    event = evaluation_event.c
    was_claimed = exists().where(
        event.evaluation_id == sent["evaluation_id"],
        event.attempt == sent["attempt"],
        event.move == Move.CLAIM.value,
        event.claim_token == sent["token"],
    )
    source = select(*(sent[name] for name in _STORED)).where(was_claimed)
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return insert(report).from_select(_STORED, source).on_conflict_do_nothing()
