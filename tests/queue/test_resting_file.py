"""A SQLite file in a folder that this user may not write: it is read, and nothing is left beside it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from ambs_hpc.errors import DatabaseLocked, DatabaseRefused
from ambs_hpc.queue import open_database, reading, transaction


@pytest.fixture
def file(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database that all programs have closed; the superuser may write everywhere: his answer is faked."""
    found = Path(sqlite_url.removeprefix("sqlite:///"))
    write(found, "PRAGMA journal_mode=wal")
    monkeypatch.setattr(os, "access", lambda _path, mode: mode == os.R_OK)
    return found


@pytest.fixture
def engine(file: Path) -> Iterator[Engine]:
    opened = open_database(f"sqlite:///{file}", create=False)
    yield opened
    opened.dispose()


def write(file: Path, statement: str) -> None:
    """As another program does, which opens the file and closes it."""
    other = sqlite3.connect(file, isolation_level=None)
    other.execute(statement).close()
    other.close()


ADD = "CREATE TABLE another (id INTEGER)"


def tables(connection: Connection) -> int:
    return int(connection.execute(text("SELECT count(*) FROM sqlite_master")).scalar_one())


def test_a_file_in_a_folder_of_somebody_else_is_read(engine: Engine, file: Path) -> None:
    """A colleague's finished campaign; what was written since is seen, and nothing is written."""
    with reading(engine) as connection:
        before = tables(connection)
        assert [one.name for one in file.parent.iterdir() if one.name.startswith(file.name)] == [file.name]
    write(file, ADD)
    with reading(engine) as connection:
        assert tables(connection) == before + 1
    with pytest.raises(DatabaseRefused, match="give the copy to --db"), transaction(engine) as connection:
        connection.execute(text("DELETE FROM another"))


def test_what_was_read_while_it_changed_is_not_told(engine: Engine, file: Path) -> None:
    """It may be half of before and half of after."""
    with pytest.raises(DatabaseLocked, match="Try again"), reading(engine) as connection:
        tables(connection)
        write(file, ADD)
