"""A view shows the other rows where somebody has written into one what is no JSON."""

from __future__ import annotations

import json

from sqlalchemy import Connection, Engine, text

from ambs_hpc.queue import best, claim, complete, open_database, reading, transaction
from ambs_hpc.queue.schema.tables import metadata
from ambs_hpc.queue.schema.views import NAMES
from tests.queue import stock

WRITES_AROUND_THE_VERBS = True
GOALS = {"direction": {"loss": "minimize", "ms": "minimize"}, "constraints": [["ms", "<=", 20]]}
# What PostgreSQL takes for JSON as well: any JSON, and escapes that its `jsonb` refuses.
ODD = ["[1]", "3", '"words"', "null", '{"loss": "low", "ms": [1]}', r'{"a": "\u0000"}', r'{"a": "\ud83d"}']
NUMBERS = ["1e999", "-1e999", "1e-999", "9" * 500]
NO_JSON = ["not json", "", '{"x": NaN}', "{"]
CONSTRAINTS = [3, "words", {"ms": 20}, [3], ["ms"], [["ms", "=", 20]], [["ms", "<=", "20"]], [['"', "<", 1]]]


def filled(connection: Connection, problem: dict[str, object]) -> None:
    """A campaign whose two evaluations have ended."""
    made = stock.campaign(connection, name=f"c{json.dumps(problem)}", problem=problem)
    stock.evaluations(connection, made.id, 2)
    launcher_id = stock.launcher(connection)
    taken = claim(connection, launcher_id, 2, campaign_ids=[made.id])
    given = [stock.success(one, 0.5, metrics={"loss": 0.5, "ms": 9 + one.ordinal}) for one in taken]
    complete(connection, launcher_id, given)


def all_rows(engine: Engine) -> dict[str, int]:
    with reading(engine) as connection:
        return {name: len(connection.execute(text(f"SELECT * FROM {name}")).all()) for name in NAMES}


def test_no_json_column_ends_a_view(any_engine: Engine) -> None:
    """Whatever stands in it, the rows of every view stay, but for what nobody can order or rank."""
    with transaction(any_engine) as connection:
        filled(connection, GOALS)
        is_sqlite = connection.dialect.name == "sqlite"
    whole = all_rows(any_engine)
    assert (whole["v_evaluations"], whole["v_best"], whole["v_pareto"]) == (2, 2, 1)
    columns = [
        (table.name, column.name)
        for table in metadata.sorted_tables
        for column in table.columns
        if "JSON" in str(column.type)
    ]
    assert ("evaluation", "metrics") in columns
    for table, column in columns:
        for value in ODD + NO_JSON * is_sqlite:
            with any_engine.connect() as connection:
                if is_sqlite:
                    connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
                connection.execute(text(f"UPDATE {table} SET {column} = :value"), {"value": value})
                found = {name: len(connection.execute(text(f"SELECT * FROM {name}")).all()) for name in NAMES}
                connection.rollback()
            found["v_pareto"] = 1
            assert found == whole, (table, column, value)


def test_what_is_no_json_is_null(sqlite_url: str) -> None:
    """A query that takes a value out of a column goes on, too."""
    engine = open_database(sqlite_url)
    with transaction(engine) as connection:
        filled(connection, {})
        connection.execute(text("UPDATE evaluation SET metrics = 'not json' WHERE id = 1"))
    with reading(engine) as connection:
        query = "SELECT metrics, json_extract(metrics, '$.ms') FROM v_evaluations ORDER BY id"
        first, second = connection.execute(text(query))
    assert (tuple(first), second[1]) == ((None, None), 10)


def test_nul_and_halves_of_characters_are_null_on_postgresql(postgresql_url: str) -> None:
    """The jsonb of readers has neither; what an escape writes that both have is kept."""
    engine = open_database(postgresql_url)
    kept = r'{"a": "\ud83d\ude00 \u00e9"}'
    with transaction(engine) as connection:
        filled(connection, {})
        for value, is_shown in ((kept, True), *((one, False) for one in ODD[-2:]), (r'["\ude00"]', False)):
            connection.execute(text("UPDATE evaluation SET metrics = :value"), {"value": value})
            shown = connection.execute(text("SELECT metrics FROM v_best")).scalars().all()
            assert shown == ([json.loads(kept)] * 2 if is_shown else [None] * 2), value
    engine.dispose()


def test_no_number_ends_a_view_on_postgresql(postgresql_url: str) -> None:
    """Its JSON holds numbers that no double does, and its doubles are no times; `best` survives them, too."""
    engine = open_database(postgresql_url)
    with transaction(engine) as connection:
        filled(connection, GOALS)
    whole = all_rows(engine)
    times = (("evaluation", "finished_at"), ("evaluation", "created_at"), ("launcher", "started_at"))
    spoilt = [(*time, value) for time in times for value in ("NaN", "Infinity", "1e300")]
    spoilt += [("evaluation", "metrics", f'{{"loss": 1, "ms": {value}}}') for value in NUMBERS]
    spoilt += [("campaign", "problem", f'{{"constraints": [["ms", "<=", {value}]]}}') for value in NUMBERS]
    for table, column, value in spoilt:
        with engine.connect() as connection:
            connection.execute(text(f"UPDATE {table} SET {column} = :value"), {"value": value})
            found = {name: len(connection.execute(text(f"SELECT * FROM {name}")).all()) for name in NAMES}
            if column != "problem":
                found["v_pareto"] = whole["v_pareto"]
                best(connection, 1, 2)
            connection.rollback()
        assert found == {**whole, "v_pareto": found["v_pareto"], "v_throughput": found["v_throughput"]}
    engine.dispose()


def test_the_best_is_found_beside_escapes_that_cannot_be_read(any_engine: Engine) -> None:
    """What takes a metric out of all results is ended by none of them."""
    with transaction(any_engine) as connection:
        filled(connection, GOALS)
        values = {"value": ODD[-2], "id": 1}
        connection.execute(text("UPDATE evaluation SET metrics = :value WHERE id = :id"), values)
        assert [one.id for one in best(connection, 1, 2)] == [2]  # of the other one a metric is missing


def test_constraints_that_cannot_be_read_are_not_said_to_be_kept(any_engine: Engine) -> None:
    """`yes` would send a person home with a result that breaks what was asked."""
    with transaction(any_engine) as connection:
        filled(connection, {"name": "spoilt"})
        filled(connection, {"name": "whole"})
        for constraints in CONSTRAINTS:
            problem = json.dumps({"constraints": constraints})
            connection.execute(text("UPDATE campaign SET problem = :value WHERE id = 1"), {"value": problem})
            shown = connection.execute(text("SELECT feasible FROM v_best ORDER BY id")).scalars().all()
            assert shown == ["unknown"] * 2 + ["yes"] * 2, constraints
