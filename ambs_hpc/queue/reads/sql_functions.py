"""Finds functions in a PostgreSQL statement that do something which no read-only transaction prevents."""

from __future__ import annotations

import re

from sqlalchemy import Connection, text

from ambs_hpc.errors import UsageError

# Volatile, and yet nothing outside the statement changes: they tell the time, sizes, or random numbers.
HARMLESS = frozenset(
    {
        *("clock_timestamp", "timeofday", "random", "random_normal", "gen_random_uuid", "pg_is_in_recovery"),
        *("pg_column_size", "pg_relation_size", "pg_table_size", "pg_indexes_size", "pg_total_relation_size"),
        *("pg_database_size", "pg_tablespace_size", "currval", "lastval", "pg_current_wal_lsn"),
    }
)
# An identifier may be written by code points, U&"\0070g_notify", so that its name stands nowhere.
_ESCAPED_IDENTIFIER = re.compile(r'U&"', re.IGNORECASE)
_WORD = re.compile(r"[^\W\d][\w$]*")
LONGEST_NAME_BYTES = 63  # PostgreSQL cuts longer identifiers

# Outside pg_catalog only IMMUTABLE is harmless: a STABLE function of an extension may run a text as SQL.
_EFFECTIVE = text(
    """
    SELECT DISTINCT p.proname
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE p.proname = ANY(CAST(:words AS text[]))
      AND (CASE WHEN n.nspname IN ('pg_catalog', 'information_schema')
           THEN p.provolatile = 'v' AND p.proname <> ALL(CAST(:harmless AS text[]))
           ELSE p.provolatile <> 'i' END)
    ORDER BY p.proname
    """
)


def refuse_effective_functions(connection: Connection, statement: str) -> None:
    """Return if the statement names no function that may act outside its transaction.

    The server is asked what it knows of every word of the statement, wherever the word stands: in a literal
    or a comment too, because nothing is hidden from a search that does not have to understand SQL.

    Raises:
        UsageError: it does, or it writes an identifier by code points; the message names them.
    """
    if _ESCAPED_IDENTIFIER.search(statement):
        raise UsageError(
            'The statement was refused: it has an identifier in the form U&"...", which hides a name. Write '
            "the name itself."
        )
    words = {_cut(form) for word in _WORD.findall(statement) for form in (word, word.lower())}
    values = {"words": sorted(words), "harmless": sorted(HARMLESS)}
    found = [row[0] for row in connection.execute(_EFFECTIVE, values)]
    if found:
        raise UsageError(
            f"The statement was refused: {', '.join(found)} may act outside a read-only transaction (on "
            "sessions, locks, settings or files), or wait. Accepted: functions that PostgreSQL calls STABLE "
            f"or IMMUTABLE, and {', '.join(sorted(HARMLESS))}; a word in a text counts too."
        )


def _cut(word: str) -> str:
    return word.encode(errors="replace")[:LONGEST_NAME_BYTES].decode(errors="ignore")
