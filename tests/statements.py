"""What is sent to a database inside a block: each statement by its verb and its table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, event

_KIND = re.compile(r"(?:WITH .* )?\b(INSERT INTO|UPDATE|DELETE FROM|SELECT|NOTIFY) \W*(\w+)", re.DOTALL)
_CLOCKS = {"CAST": "clock", "julianday": "clock"}  # with what the databases' times begin


@contextmanager
def statements_of(of: Engine | Connection) -> Iterator[list[str]]:
    """Such as "update evaluation"; one that is prepared once and sent for many rows is one statement.

    The beginnings and ends of transactions are left out.
    """
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if not statement.startswith("BEGIN"):
            sent.append(kind_of(statement))

    event.listen(of, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(of, "before_cursor_execute", note)


def kind_of(statement: str) -> str:
    """Its verb and the table that it changes, or of which its first column is."""
    found = _KIND.match(statement)
    if found is None:
        return statement
    return f"{found[1].split()[0]} {_CLOCKS.get(found[2], found[2])}".lower()
