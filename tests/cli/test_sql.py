"""`ambs sql` shows times that a person can read, and gives scripts the numbers."""

from __future__ import annotations

import json

from sqlalchemy import Engine, text
from typer.testing import CliRunner

from ambs_hpc.cli.main import app
from ambs_hpc.queue import transaction
from tests.queue import stock

QUERY = (
    "SELECT id, created_at, max(created_at) AS newest_at, id AS looks_at, created_at AS seconds, finished_at "
    "FROM evaluation GROUP BY id, created_at, finished_at ORDER BY id"
)


def test_times_of_tables_are_read_by_people_and_by_scripts(any_engine: Engine, any_url: str) -> None:
    """1.79584e+09 says nothing; a column that only sounds like a time keeps its numbers."""
    with transaction(any_engine) as connection:
        stock.evaluations(connection, stock.campaign(connection).id, 2)
        connection.execute(text("UPDATE evaluation SET created_at = 1795837265.25"))
    said, told = (
        CliRunner().invoke(app, ["sql", QUERY, "--db", any_url, *more], catch_exceptions=False).stdout
        for more in ([], ["--json"])
    )
    time = "2026-11-28 03:41:05"
    assert said.splitlines() == [
        "id\tcreated_at (UTC)\tnewest_at (UTC)\tlooks_at\tseconds\tfinished_at",
        f"1\t{time}\t{time}\t1\t1.79584e+09\t",
        f"2\t{time}\t{time}\t2\t1.79584e+09\t",
    ]
    assert json.loads(told)[0]["created_at"] == 1795837265.25
