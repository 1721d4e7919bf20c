"""A SQLite file that nobody has open and that this user cannot keep open as its writers do: it is only read.

In WAL mode even a reader needs two files beside the database, which it may not make in a folder of somebody
else. While a program that may write has the database open they are there. Else nothing changes the file, and
SQLite reads it without them as one that is immutable; that it was so to the end is checked here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

from ambs_hpc.errors import DatabaseLocked

RESTING = "ambs_resting"  # of a connection: what the file was like when it was opened as immutable


def read_at_rest(engine: Engine, file: Path) -> None:
    """Let the engine read the file where it cannot be opened but as immutable, and find out when it changes.

    A transaction during which it changed raises DatabaseLocked; the next one sees the change.
    """

    @event.listens_for(engine, "do_connect")
    def open_as_immutable(_dialect: object, record: Any, _names: object, settings: dict[str, Any]) -> Any:
        import sqlite3

        record.info[RESTING] = resting = _resting(file)
        if resting is None:
            return None  # opened as usual
        return sqlite3.connect(f"file:{quote(str(file))}?immutable=1", **{**settings, "uri": True})

    @event.listens_for(engine, "checkout")
    def open_again(_connection: object, record: Any, _proxy: object) -> None:
        if _has_changed(record.info[RESTING], file):
            raise DisconnectionError

    @event.listens_for(engine, "commit")
    def refuse_what_changed(connection: Any) -> None:
        if _has_changed(connection.connection.info[RESTING], file):
            raise DatabaseLocked(f"{file} was written to while it was read. Try again.")


def _has_changed(resting: tuple[int, int] | None, file: Path) -> bool:
    # The file is not asked about by those who write it: that costs on a shared file system.
    return resting is not None and resting != _resting(file)


def _resting(file: Path) -> tuple[int, int] | None:
    """Size and time of the last change; None where SQLite can open the file as usual, or there is none."""
    log = file.with_name(f"{file.name}-wal")
    if not file.is_file() or os.access(file.parent, os.W_OK) or log.exists() or not _is_in_wal_mode(file):
        return None
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def _is_in_wal_mode(file: Path) -> bool:
    """In other modes a reader needs no file beside it, and locks keep it from what is half written.

    Source: "Database File Format", section 1.3.3, sqlite.org/fileformat2.html.
    """
    if not os.access(file, os.R_OK):
        return False
    with file.open("rb") as opened:
        return opened.read(20)[18:] == b"\x02\x02"
