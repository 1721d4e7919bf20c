"""Reports of running evaluations: stored once, of claimed attempts only, one curve over all attempts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert
from sqlalchemy.exc import IntegrityError

from ambs_hpc.queue import (
    NewReport,
    Report,
    add_reports,
    claim,
    complete,
    reading,
    release,
    report_counts,
    reports_of,
    run_read_only_sql,
    transaction,
)
from ambs_hpc.queue.schema.tables import report
from ambs_hpc.records import Claim
from tests.queue import stock

AT = 1.7e9


def held(engine: Engine, number: int) -> tuple[int, list[Claim]]:
    """A launcher and what it has claimed."""
    with transaction(engine) as connection:
        stock.evaluations(connection, stock.campaign(connection).id, number)
        launcher = stock.launcher(connection)
        return launcher, claim(connection, launcher, number)


def told(one: Claim, step: int, objective: float, **fields: Any) -> NewReport:
    return NewReport(one.id, one.attempt, one.token, step, objective, AT + step, **fields)


def stored(engine: Engine, evaluation_id: int) -> list[Report]:
    with reading(engine) as connection:
        return reports_of(connection, evaluation_id)


def test_reports_come_back_by_step_with_every_bit(any_engine: Engine) -> None:
    """They need not come in order; numbers and texts are those that were told."""
    _, (one, other) = held(any_engine, 2)
    metrics = {"loss": 0.1 + 0.2, "größer": True, "count": 2**53, "words": "a\\0b"}
    with transaction(any_engine) as connection:
        add_reports(connection, [told(one, 7, 1e16, thinned=3), told(one, 2, 0.1 + 0.2, metrics=metrics)])
        add_reports(connection, [told(other, 2**53, -1e308)])
    first = Report(2, 0.1 + 0.2, 1, AT + 2, metrics)
    assert stored(any_engine, one.id) == [first, Report(7, 1e16, 1, AT + 7, {}, 3)]
    assert stored(any_engine, other.id) == [Report(2**53, -1e308, 1, AT + 2**53)]
    with reading(any_engine) as connection:
        assert [each.step for each in reports_of(connection, one.id, last=1)] == [7]
        assert report_counts(connection, one.id) == (2, 3)
    columns = "evaluation_id, step, objective, attempt, thinned"
    rows = run_read_only_sql(any_engine, f"SELECT {columns} FROM v_reports ORDER BY 1, 2")[1]
    assert [tuple(row) for row in rows][1] == (one.id, 7, 1e16, 1, 3)


def test_the_first_report_of_a_step_stays(any_engine: Engine) -> None:
    """A decision may rest on it; and reports whose commit is uncertain are sent again."""
    _, (one,) = held(any_engine, 1)
    for objective in (0.5, 0.5, 0.7):
        with transaction(any_engine) as connection:
            add_reports(connection, [told(one, 1, objective), told(one, 1, 9.0)])
    assert stored(any_engine, one.id) == [Report(1, 0.5, 1, AT + 1)]


def test_the_newest_attempt_tells_of_a_step(any_engine: Engine) -> None:
    """A resumed attempt goes on from a checkpoint that may lie before the last report of the one before."""
    launcher, (one,) = held(any_engine, 1)
    with transaction(any_engine) as connection:
        add_reports(connection, [told(one, step, float(step)) for step in (1, 2, 3)])
        release(connection, launcher, [(one.id, 1)], interrupted=True, reason="walltime")
        (again,) = claim(connection, launcher, 1)
        add_reports(connection, [told(again, step, 10.0 * step) for step in (3, 4)])
        add_reports(connection, [told(one, 4, 4.0)])  # late, of the attempt that was taken away
    curve = [(each.step, each.objective, each.attempt) for each in stored(any_engine, one.id)]
    assert curve == [(1, 1.0, 1), (2, 2.0, 1), (3, 30.0, 2), (4, 40.0, 2)]
    rows = run_read_only_sql(any_engine, "SELECT step, objective, attempt FROM v_reports ORDER BY step")[1]
    assert [tuple(row) for row in rows] == curve
    with reading(any_engine) as connection:
        assert report_counts(connection, one.id) == (4, 0)


def test_reports_without_a_claim_are_left_out(any_engine: Engine) -> None:
    """A database that went back gives the same numbers again, to other attempts."""
    launcher, (one, other) = held(any_engine, 2)
    with transaction(any_engine) as connection:
        complete(connection, launcher, [stock.success(other)])
        add_reports(
            connection,
            [
                replace(told(one, 1, 0.5), token="of-another"),
                replace(told(one, 2, 0.5), attempt=2),
                replace(told(one, 3, 0.5), evaluation_id=one.id + 1000),
                told(one, 4, 0.5),
                told(other, 5, 0.5),  # after its end: its result may overtake it
            ],
        )
    assert [each.step for each in stored(any_engine, one.id)] == [4]
    assert [each.step for each in stored(any_engine, other.id)] == [5]


@pytest.mark.parametrize(
    "wrong", [{"step": -1}, {"objective": float("nan")}, {"attempt": 0}, {"thinned": -1}]
)
def test_the_database_refuses_what_is_no_report(any_engine: Engine, wrong: dict[str, Any]) -> None:
    """Whoever writes around the verb cannot store what readers do not expect."""
    _, (one,) = held(any_engine, 1)
    row = {"evaluation_id": one.id, "step": 1, "attempt": 1, "objective": 0.5, "at": AT, "thinned": 0}
    with pytest.raises(IntegrityError), transaction(any_engine) as connection:
        connection.execute(insert(report).values({**row, **wrong}))


def test_many_reports_of_many_evaluations_are_two_statements(any_engine: Engine) -> None:
    """A thousand slots with a report a second must not become a thousand questions."""
    _, claims = held(any_engine, 50)
    statements: list[str] = []
    event.listen(any_engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
    with transaction(any_engine) as connection:
        add_reports(connection, [told(claims[0], 0, 0.5)])  # after it the campaign is known
        statements.clear()
        add_reports(connection, [told(one, step, 0.5) for one in claims for step in range(40)])
        assert len(statements) == 2  # the second asks whose campaign has rungs
    with reading(any_engine) as connection:
        assert {report_counts(connection, one.id) for one in claims} == {(40, 0)}
