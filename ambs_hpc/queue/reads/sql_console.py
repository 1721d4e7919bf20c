"""Runs a person's own SQL statement, which the database itself keeps from changing anything."""

from __future__ import annotations

import re
import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from ambs_hpc.errors import UsageError
from ambs_hpc.queue.reads.sql_functions import refuse_effective_functions
from ambs_hpc.queue.sql.transactions import reading

TIMEOUT_SECONDS = 60.0
_STEPS_BETWEEN_CHECKS = 10_000
_ALLOWED = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
# Of the last two, a build of SQLite may have what its shell has.
_REFUSED_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer", "writefile", "edit"})
_LONGEST_VALUE_BYTES = 1 << 26  # SQLite's own limit would let one zeroblob() take all memory
_NO_SELECT = re.compile("readonly|one statement")
Answer = tuple[list[str], list[tuple[Any, ...]]]


def run_read_only_sql(engine: Engine, statement: str, timeout_seconds: float = TIMEOUT_SECONDS) -> Answer:
    """The column names and rows of one statement.

    Raises:
        UsageError: it writes, acts outside its transaction (on other sessions, locks, files), is more than
            one statement, takes too long, or is wrong.
    """
    if not statement.strip(" ;\n\t"):
        raise UsageError("There is no statement. Give one SELECT, in quotes.")
    if engine.dialect.name == "sqlite":
        return _sqlite(engine, statement, timeout_seconds)
    return _postgresql(engine, statement, timeout_seconds)


def _postgresql(engine: Engine, statement: str, timeout_seconds: float) -> Answer:
    # The text never stands in a command of ours, where `COMMIT; DROP TABLE ...` would end the read-only
    # transaction: PL/pgSQL opens a cursor for it, which takes one statement that returns rows, or fails.
    values = {"timeout": str(int(timeout_seconds * 1000)), "statement": statement.strip().rstrip(";")}
    with reading(engine) as connection:
        try:
            connection.execute(_SET_UP, values)
            refuse_effective_functions(connection, values["statement"])
            connection.exec_driver_sql(_OPEN)
            result = connection.exec_driver_sql("FETCH ALL FROM ambs_answer")
            return list(result.keys()), [tuple(row) for row in result]
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            said = str(error.orig).split("\nCONTEXT")[0].strip()
            raise UsageError(f"The database refused the statement: {said}") from error


_SET_UP = text(
    "SELECT set_config('statement_timeout', :timeout, true), set_config('ambs.statement', :statement, true)"
)
_OPEN = (
    "DO $$ DECLARE answer refcursor := 'ambs_answer'; "
    "BEGIN OPEN answer FOR EXECUTE current_setting('ambs.statement'); END $$"
)


def _sqlite(engine: Engine, statement: str, timeout_seconds: float) -> Answer:
    file = engine.url.database
    if file in (None, "", ":memory:"):
        raise UsageError("A database in memory has no file that a second, reading connection could open.")
    deadline = time.monotonic() + timeout_seconds
    refused: list[str] = []
    # A connection of its own: what is forbidden here must stay allowed elsewhere.
    address = f"file:{quote(str(Path(file).absolute()))}?mode=ro"
    connection = sqlite3.connect(address, timeout=timeout_seconds, isolation_level=None, uri=True)
    try:
        connection.execute("PRAGMA query_only=ON")
        if hasattr(connection, "setlimit"):  # Python 3.11
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE_BYTES)
        connection.set_authorizer(lambda action, *details: _authorize(refused, action, details))
        connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_BETWEEN_CHECKS)
        cursor = connection.execute(statement)
        return [column[0] for column in cursor.description or ()], cursor.fetchall()
    except (sqlite3.Error, sqlite3.Warning) as error:
        said = "it took too long" if "interrupted" in str(error) else str(error).rstrip(".")
        if refused:
            said = f"{refused[0]} is not accepted ({said})"
        is_no_select = refused or isinstance(error, sqlite3.Warning) or _NO_SELECT.search(said)
        remedy = ". Only one SELECT is allowed." if is_no_select else ""
        raise UsageError(f"The database refused the statement: {said}{remedy}") from error
    finally:
        connection.close()


def _authorize(refused: list[str], action: int, details: tuple[str | None, ...]) -> int:
    """SQLite's question whether a statement may do something; a refusal is noted in `refused`."""
    if action == sqlite3.SQLITE_FUNCTION and _REFUSED_FUNCTIONS & set(details):
        refused.append(f"the function {details[1]}")
        return sqlite3.SQLITE_DENY
    if action in _ALLOWED:
        return sqlite3.SQLITE_OK
    what = " ".join(word for word in details[:2] if word)
    refused.append(f"{_ACTIONS.get(action, 'a change')} {what}".strip())
    return sqlite3.SQLITE_DENY


_ACTIONS = {
    sqlite3.SQLITE_ATTACH: "ATTACH",
    sqlite3.SQLITE_DETACH: "DETACH",
    sqlite3.SQLITE_PRAGMA: "PRAGMA",
    sqlite3.SQLITE_TRANSACTION: "transaction control:",
    sqlite3.SQLITE_INSERT: "INSERT into",
    sqlite3.SQLITE_UPDATE: "UPDATE of",
    sqlite3.SQLITE_DELETE: "DELETE from",
}
