"""Databases for tests: a new, empty one for each test, on SQLite or on this session's own PostgreSQL."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path

import psycopg2
import psycopg2.errors
from sqlalchemy import make_url

from ambs_hpc.postgres_server.server import ServerOptions, ServerStatus, start_server, stop_server
from ambs_hpc.queue import open_database

KINDS = ("sqlite", "postgresql")
_TEMPLATE = "template_of_tests"
_numbers = count()
_running: list[Path] = []
_folders: list[Path] = []


@contextmanager
def fresh_database(kind: str, directory: Path) -> Iterator[str]:
    """The URL of a database with our tables and nothing in them; it is gone afterwards.

    Args:
        kind: one of `KINDS`.
        directory: where the SQLite file goes.
    """
    name = f"test_{os.getpid()}_{next(_numbers)}"
    if kind == "sqlite":
        file = directory / f"{name}.db"
        shutil.copyfile(_sqlite_template(), file)
        yield f"sqlite:///{file}"
        return
    administer(f"CREATE DATABASE {name} TEMPLATE {_postgresql_template()}")
    try:
        yield named(name)
    finally:
        _drop(name)


@contextmanager
def blank_database(kind: str, directory: Path) -> Iterator[str]:
    """The same without tables."""
    name = f"blank_{os.getpid()}_{next(_numbers)}"
    if kind == "sqlite":
        yield f"sqlite:///{directory / f'{name}.db'}"
        return
    administer(f"CREATE DATABASE {name}")
    try:
        yield named(name)
    finally:
        _drop(name)


@cache
def postgresql_server() -> ServerStatus:
    """This session's server, started at the first use; without PostgreSQL on the machine the test fails."""
    base = Path(tempfile.mkdtemp(prefix="ambs-tests-"))
    base.chmod(0o755)  # as root, the server runs as somebody else
    folder = base / "ambs-db"
    status = start_server(ServerOptions(folder, listen="127.0.0.1", durable=False), os.environ)
    _running.append(folder)
    return status


def stop_servers() -> None:
    """End what `postgresql_server` started."""
    while _running:
        folder = _running.pop()
        stop_server(folder, None, os.environ)
        shutil.rmtree(folder.parent)
    while _folders:
        shutil.rmtree(_folders.pop())
    for cached in (postgresql_server, _postgresql_template, _sqlite_template):
        cached.cache_clear()


def named(database: str) -> str:
    """The URL of another database of the session's server."""
    url = make_url(postgresql_server().url).set(database=database)
    return url.render_as_string(hide_password=False)


def let_others_enter(folder: Path) -> None:
    """Open a test's folder and pytest's above it: as root, a server runs as somebody else."""
    for one in (folder, *folder.parents[:3]):
        if not one.stat().st_mode & 0o001:
            one.chmod(0o755)


def wait_until(
    condition: Callable[[], object], timeout_seconds: float = 10.0, pause_seconds: float = 0.01
) -> None:
    """Return once the condition holds; fail when it does not in time."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_seconds} s"
        time.sleep(pause_seconds)


def _drop(name: str) -> None:
    """Drop a database, a moment later if the server is vacuuming it: that process is not ours to end."""

    def is_dropped() -> bool:
        try:
            administer(f"DROP DATABASE {name} WITH (FORCE)")
        except psycopg2.errors.InsufficientPrivilege:
            return False
        return True

    wait_until(is_dropped, 30, 0.2)


@cache
def _postgresql_template() -> str:
    administer(f"CREATE DATABASE {_TEMPLATE}")
    open_database(named(_TEMPLATE)).dispose()
    return _TEMPLATE


@cache
def _sqlite_template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="ambs-tests-"))
    _folders.append(folder)
    file = folder / "template.db"
    open_database(f"sqlite:///{file}").dispose()
    return file


def administer(statement: str) -> None:
    """Run a statement of the session's server that no transaction may hold."""
    connection = psycopg2.connect(postgresql_server().url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()
