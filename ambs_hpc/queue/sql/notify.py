"""Shortens the wait of those who poll: by PostgreSQL's NOTIFY, or by SQLite's counter of commits.

A lost notification costs a poll interval and nothing else, because whoever waits polls anyway.
"""

from __future__ import annotations

import contextlib
import select
import threading
import time
import weakref
from enum import Enum
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

FIRST_SLEEP_SECONDS = 0.002
LONGEST_SLEEP_SECONDS = 0.05


class NotifyChannel(str, Enum):
    """The kinds of change that one can wait for."""

    READY = "ambs_ready"  # an evaluation may be claimed
    FINISHED = "ambs_finished"  # an evaluation has ended


def notify(connection: Connection, channel: NotifyChannel) -> None:
    """Wake those who wait for this channel, once the transaction is committed."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"NOTIFY {channel.value}")


def wait_for_change(
    engine: Engine, timeout_seconds: float, channel: NotifyChannel = NotifyChannel.FINISHED
) -> bool:
    """Wait until the database may have changed, at most `timeout_seconds`; returns whether it has.

    A change since the previous wait counts. With an unreachable database the time passes and the answer is
    False: the caller's next statement raises the error.
    """
    deadline = time.monotonic() + timeout_seconds
    key = (channel, threading.get_ident())  # SQLite's connections serve one thread
    driver = engine.dialect.loaded_dbapi
    try:
        with _lock:
            watches = _watches.setdefault(engine, {})
            if key not in watches:
                watches[key] = _open(engine, channel)
        return watches[key].wait(deadline)
    except (DBAPIError, driver.Error, OSError):
        close_waits(engine)
        time.sleep(max(0.0, deadline - time.monotonic()))
        return False


def close_waits(engine: Engine) -> None:
    """Close the connections that `wait_for_change` keeps for this engine."""
    with _lock:
        for watch in _watches.pop(engine, {}).values():
            watch.close()


class _PostgreSQLWatch:
    """A connection that listens to one channel."""

    def __init__(self, engine: Engine, channel: NotifyChannel) -> None:
        self._connection = _own_connection(engine)
        self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute(f"LISTEN {channel.value}")

    def wait(self, deadline: float) -> bool:
        while True:
            self._connection.poll()
            if self._connection.notifies:
                self._connection.notifies.clear()
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            poll = select.poll()  # `select` knows no descriptor above 1024
            poll.register(self._connection, select.POLLIN)
            poll.poll(1000 * left)

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._connection.close()


class _SQLiteWatch:
    """A connection that asks SQLite whether anybody else has committed since it last looked."""

    def __init__(self, engine: Engine) -> None:
        self._connection = _own_connection(engine)
        self._version = -1

    def wait(self, deadline: float) -> bool:
        pause = FIRST_SLEEP_SECONDS
        while not self._has_changed():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_SLEEP_SECONDS)
        return True

    def _has_changed(self) -> bool:
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        changed = bool(version != self._version)
        self._version = version
        return changed

    def close(self) -> None:
        self._connection.close()


_Watch = _PostgreSQLWatch | _SQLiteWatch
_watches: weakref.WeakKeyDictionary[Engine, dict[tuple[NotifyChannel, int], _Watch]] = (
    weakref.WeakKeyDictionary()
)
_lock = threading.Lock()


def _open(engine: Engine, channel: NotifyChannel) -> _Watch:
    return _PostgreSQLWatch(engine, channel) if engine.dialect.name == "postgresql" else _SQLiteWatch(engine)


def _own_connection(engine: Engine) -> Any:
    """A driver's connection that does not go back to the pool, which may be small."""
    pooled = engine.raw_connection()
    connection = pooled.driver_connection
    pooled.detach()
    return connection
