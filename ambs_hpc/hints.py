"""Commands in what a person is told, completed so that they do what they say where they are pasted."""

from __future__ import annotations

import re
import shlex

# Commands that take --db; `tests/cli/test_hints.py` compares them with the command line.
WITH_DATABASE = (
    *("add", "allocations", "allocations cancel", "autosubmit", "best", "cancel", "check", "compare"),
    *("ensemble", "export", "importance", "launch", "ledger", "list", "logs", "nodes", "plot", "report"),
    *("rerun", "run", "search", "serve", "show", "space", "sql", "status", "submit", "tell", "top", "why"),
)
_ANY = "|".join(sorted(WITH_DATABASE, key=len, reverse=True))
_COMMAND = re.compile(rf"(?<![\w/.-])ambs (?:{_ANY})(?![\w-])(?! +--db\b| cancel\b)")
_PASSWORD = re.compile(r"(://[^/@:]*):[^@]*@")


class _Called:
    """How this process was called."""

    database: str | None = None


def call_with(database: str | None) -> None:
    """From now on hints name this database, as the person has named it; None: it is found without."""
    _Called.database = database


def pasteable(text: str, database: str | None = None) -> str:
    """The text with `--db` in each of its commands, where this process was called with it.

    A password is not repeated: such a URL is to be completed by who knows it.

    Args:
        database: named by a program instead.
    """
    database = database or _Called.database
    if database is None:
        return text
    named = _PASSWORD.sub(r"\1:***@", database)
    option = f" --db {shlex.quote(named)}"
    return _COMMAND.sub(lambda found: found[0] + option, text)
