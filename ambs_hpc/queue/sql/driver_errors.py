"""Translates the drivers' errors into ours: what was tried, what was seen, what to do next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, IntegrityError

from ambs_hpc.errors import DatabaseError, DatabaseLocked, DatabaseRefused, DatabaseUnreachable

# A server that answers one of these will accept connections later.
_COMING_BACK = re.compile(
    r"starting up|shutting down|recovery mode|too many clients|connection slots|not yet accepting",
    re.IGNORECASE,
)
_ASKED_BY_LIBPQ = re.compile(r"\s*Is the server running on that host and accepting TCP/IP connections\?")
_WRONG_SETTINGS = re.compile(
    r"FATAL:|no password supplied|does not support SSL|certificate|SSL error|channel binding|"
    r"invalid (sslmode|connection option|port)",
    re.IGNORECASE,
)
# Of a server: connections cut off by an administrator, a crash, a shutdown, a full server.
_GONE_CODES = ("08", "57P", "53", "25P03")
_BUSY_CODES = {
    "40P01": "another transaction was in the way",
    "40001": "another transaction was in the way",
    "55P03": "somebody holds a lock for too long: see pg_stat_activity",
    "57014": "a statement took too long",
}
# While a copy is restored, or before a search has made them.
_MISSING_CODES = ("42P01", "3D000", "3F000")
_NO_SPACE = re.compile(r"disk is full|disk I/O error|No space left", re.IGNORECASE)


@contextmanager
def translated(url: URL, *, is_patient: bool = False) -> Iterator[None]:
    """Raise our errors for the driver's; violated constraints are our own mistakes and pass through.

    Args:
        is_patient: a refusal that passes is no more than an absence.
    """
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as error:
        ours = translation(url, error)
        if ours is None:
            raise
        if is_patient and isinstance(ours, DatabaseRefused) and ours.passes:
            ours = DatabaseUnreachable(str(ours))
        raise ours from error


def translation(url: URL, error: DBAPIError) -> DatabaseError | None:
    """The error to raise instead, or None when the statement and not the database is at fault."""
    said = " ".join(str(error.orig).split())
    if url.get_backend_name() == "sqlite":
        return _from_sqlite(url, said)
    return _from_postgresql(url, said, getattr(error.orig, "pgcode", None), error.connection_invalidated)


def shown(url: URL) -> str:
    """The URL as a person may see it: without its password."""
    return url.render_as_string(hide_password=True)


def _from_sqlite(url: URL, said: str) -> DatabaseError | None:
    file = url.database
    if "locked" in said or "busy" in said:
        return DatabaseLocked(
            f"Could not lock {file}: another process has been writing to it for too long ({said}). Find it "
            f"with `fuser {file}` and end it, or wait; for many writers, use PostgreSQL (`ambs db start`)."
        )
    if "no such table" in said:
        words = f"{file} holds no tables of ours ({said}). Start a campaign there, or correct --db."
        return DatabaseRefused(words, passes=True)
    if "not a database" in said or "malformed" in said:
        return DatabaseRefused(
            f"{file} cannot be read as a SQLite database ({said}). Give another file to --db, or "
            "restore this one."
        )
    if "unable to open" in said:
        return DatabaseRefused(
            f"Could not open {file} ({said}). The folder, the file and, where there are, {file}-wal and -shm "
            "must be readable and writable by this user; else give another to --db.",
            passes=True,
        )
    if "readonly" in said or "read-only" in said:
        return DatabaseRefused(
            f"{file} may not be written by this user ({said}). Its file and its folder must be writable; to "
            f"read it, copy it with {file}-wal, where there is one, and give the copy to --db.",
            passes=True,
        )
    if _NO_SPACE.search(said):
        return DatabaseUnreachable(f"{file} cannot be written now: {said}. Free space on its file system.")
    return None


def _from_postgresql(url: URL, said: str, code: str | None, invalidated: bool) -> DatabaseError | None:
    where = shown(url.set(query={}))  # how it is reached, with all files of certificates, fills a screen
    said = _ASKED_BY_LIBPQ.sub("", said)
    if code in _BUSY_CODES:
        return DatabaseLocked(f"{where}: {_BUSY_CODES[code]} ({said}). Try again.")
    if code == "25006":
        words = f"{where} only serves reading ({said}). Give the primary server's address."
        return DatabaseRefused(words, passes=True)
    if code in _MISSING_CODES:
        words = f"{where} holds no tables of ours ({said}). Start a campaign there, or correct --db."
        return DatabaseRefused(words, passes=True)
    if code == "42501":
        return DatabaseRefused(f"{where}: this user lacks a right ({said}). Ask the database's owner for it.")
    if _NO_SPACE.search(said):
        return DatabaseUnreachable(
            f"{where} cannot write now: {said}. Free space on the server's file system."
        )
    lost = invalidated or (code or "").startswith(_GONE_CODES)
    if code is not None and not lost:
        return None
    if lost or _COMING_BACK.search(said):
        return DatabaseUnreachable(f"{where} does not answer now: {said}. It may come back; else start it.")
    if "could not translate host name" in said:
        return DatabaseRefused(
            f"{where} cannot be found: {said}. Check the host's name in --db or $AMBS_DB, and from here "
            "with `getent hosts NAME`.",
            passes=True,
        )
    if _WRONG_SETTINGS.search(said):
        return DatabaseRefused(
            f"{where} refused the connection: {said}. Check user, password (PGPASSWORD, ~/.pgpass), database "
            "name and TLS settings in --db or $AMBS_DB.",
            passes=True,
        )
    if "could not connect" in said or "connection" in said.lower() or "timeout" in said:
        return DatabaseUnreachable(
            f"{where} cannot be reached: {said}. Is the server running (`ambs db status`), are host and "
            "port right?"
        )
    return None
