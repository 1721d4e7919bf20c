"""A person's own SQL changes nothing, on other sessions, locks and files neither."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from ambs_hpc.errors import UsageError
from ambs_hpc.queue import open_database, reading, run_read_only_sql, transaction

POSTGRESQL = {
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity": "pg_terminate_backend",
    "SELECT PG_Cancel_Backend(1)": "pg_cancel_backend",
    """SELECT pg_catalog . "pg_notify"('ambs_ready', '')""": "pg_notify",
    "SELECT pg_advisory_lock(1)": "pg_advisory_lock",
    "SELECT /* pg_sleep */ 1": "pg_sleep",  # a word counts wherever it stands
    "SELECT pg_sleep(3600)": "pg_sleep",
    "SELECT (s).pg_sleep FROM (SELECT CAST(1 AS float8)) AS t(s)": "pg_sleep",
    "SELECT set_config('transaction_read_only', 'off', true)": "set_config",
    "SELECT lo_create(0)": "lo_create",
    "SELECT query_to_xml('SELECT 1', true, true, '')": "query_to_xml",
    "EXPLAIN ANALYZE SELECT pg_sleep(1)": "pg_sleep",
    "SELECT nextval('evaluation_id_seq')": "nextval",
    "SELECT runs_a_text('SELECT 1')": "runs_a_text",  # of an extension, and said to be STABLE
    r"""SELECT U&"\0070g_notify"('ambs_ready', '')""": "U&",
    r"""SELECT 1U&"!0070g_sleep" UESCAPE '!' (1)""": "U&",
    "COPY evaluation TO PROGRAM 'id'": "COPY",
    "COPY evaluation TO '/tmp/x'": "COPY",
    "LOCK TABLE evaluation": "LOCK",
    "SELECT id FROM evaluation FOR UPDATE": "read-only",
    "NOTIFY ambs_ready": "NOTIFY",
}
SQLITE = {
    "SELECT load_extension('x')": "load_extension",
    "ATTACH DATABASE '/tmp/other.db' AS o": "ATTACH",
    "VACUUM INTO '/tmp/copy.db'": "ATTACH",
    "PRAGMA journal_mode = delete": "PRAGMA journal_mode",
    "SELECT writefile('/tmp/x', 'x')": "writefile",
    "SELECT fts3_tokenizer('x', 'y')": "fts3_tokenizer",
    "BEGIN IMMEDIATE": "transaction control",
    "CREATE TEMP TABLE t (x int)": "INSERT into sqlite_temp_master",
}


def test_postgresql_refuses_what_acts_outside_the_transaction(postgresql_url: str) -> None:
    """And names it, with what it accepts."""
    engine = open_database(postgresql_url)
    with transaction(engine) as connection:
        body = "CREATE FUNCTION runs_a_text(text) RETURNS int STABLE LANGUAGE sql AS 'SELECT 1'"
        connection.execute(text(body))
    for statement, named in POSTGRESQL.items():
        with pytest.raises(UsageError, match=r"(?i)refused.*" + named.replace("&", "[&]")):
            run_read_only_sql(engine, statement)
    with pytest.raises(UsageError, match=r"Accepted: .*STABLE.*clock_timestamp"):
        run_read_only_sql(engine, "SELECT pg_notify('a', 'b')")
    harmless = "SELECT now(), random() < 2, pg_total_relation_size('evaluation') > 0, upper('a'), count(*)"
    assert run_read_only_sql(engine, harmless)[1][0][1:] == (True, True, "A", 1)
    with reading(engine) as connection:
        left = connection.execute(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"))
        assert left.scalar() == 0
    engine.dispose()


def test_sqlite_refuses_what_acts_outside_the_file(sqlite_url: str) -> None:
    """And names it; a value as large as the memory is refused too."""
    engine = open_database(sqlite_url)
    for statement, named in SQLITE.items():
        with pytest.raises(UsageError, match=f"refused the statement: .*{named}"):
            run_read_only_sql(engine, statement)
    assert run_read_only_sql(engine, "SELECT upper('a'), random() > 0 OR 1")[1] == [("A", 1)]
    engine.dispose()


@pytest.mark.parametrize(
    ("statement", "is_told"),
    [
        ("SELEC 1", False),
        ("SELECT nope FROM evaluations", False),
        ("CREATE TABLE mine (x)", True),
        ("SELECT 1; SELECT 2", True),
    ],
)
def test_sqlite_says_select_where_that_is_what_was_wrong(
    statement: str, is_told: bool, sqlite_url: str
) -> None:
    """A slip of the pen is no write."""
    with pytest.raises(UsageError) as told:
        run_read_only_sql(open_database(sqlite_url), statement)
    assert ("Only one SELECT is allowed." in str(told.value)) == is_told


def test_a_file_with_strange_signs_in_its_name_is_read(tmp_path: Path) -> None:
    """Its name is a URI here, where ? and % would mean something."""
    engine = open_database(f"sqlite:///{tmp_path}/a%20b#c.db")
    assert run_read_only_sql(engine, "SELECT count(*) FROM evaluation")[1] == [(0,)]
    engine.dispose()
