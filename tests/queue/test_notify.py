"""Waiting ends when something changed, and in any case in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from ambs_hpc.queue import (
    NotifyChannel,
    claim,
    close_waits,
    complete,
    open_database,
    transaction,
    wait_for_change,
)
from tests.queue import stock

LONG_SECONDS = 20.0


def seconds_of(work: Callable[[], object]) -> float:
    start = time.monotonic()
    work()
    return time.monotonic() - start


def test_waiting_ends_with_the_change(any_url: str, any_engine: Engine) -> None:
    """The search learns of an ending at once, not at its next poll."""
    with transaction(any_engine) as connection:
        stock.evaluations(connection, stock.campaign(connection).id, 1)
        launcher_id = stock.launcher(connection)
        (one,) = claim(connection, launcher_id, 1)
    wait_for_change(any_engine, 0.0)  # opens its connection, and takes what has been

    def end_it() -> None:
        other = open_database(any_url)
        with transaction(other) as connection:
            complete(connection, launcher_id, [stock.success(one)])
        other.dispose()

    thread = threading.Timer(0.05, end_it)
    thread.start()
    answers: list[bool] = []
    assert seconds_of(lambda: answers.append(wait_for_change(any_engine, LONG_SECONDS))) < LONG_SECONDS / 2
    assert answers == [True]
    thread.join()


def test_what_came_before_the_wait_counts(any_url: str, any_engine: Engine) -> None:
    """Otherwise an ending between two polls would wait for the next."""
    wait_for_change(any_engine, 0.0, NotifyChannel.READY)
    other = open_database(any_url)
    with transaction(other) as connection:
        stock.evaluations(connection, stock.campaign(connection).id, 1)
    other.dispose()
    assert wait_for_change(any_engine, LONG_SECONDS, NotifyChannel.READY) is True


def test_waiting_ends_in_time(any_engine: Engine) -> None:
    """Nothing changed."""
    wait_for_change(any_engine, 0.0)
    answers: list[bool] = []
    assert 0.04 < seconds_of(lambda: answers.append(wait_for_change(any_engine, 0.05))) < 5.0
    assert answers == [False]


def test_channels_are_told_apart_on_postgresql(postgresql_url: str) -> None:
    """A new evaluation does not wake the search."""
    engine = open_database(postgresql_url)
    wait_for_change(engine, 0.0, NotifyChannel.FINISHED)
    with transaction(engine) as connection:
        stock.evaluations(connection, stock.campaign(connection).id, 1)
    assert wait_for_change(engine, 0.05, NotifyChannel.FINISHED) is False
    close_waits(engine)
    engine.dispose()


@pytest.mark.parametrize("repeats", [2])
def test_a_lost_connection_only_passes_the_time(postgresql_url: str, repeats: int) -> None:
    """The next statement tells; the next wait opens a new connection."""
    engine = open_database(postgresql_url)
    for _ in range(repeats):
        wait_for_change(engine, 0.0)
        with transaction(engine) as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        assert wait_for_change(engine, 0.05) is False
    with transaction(engine) as connection:
        stock.evaluations(connection, stock.campaign(connection).id, 1)
    close_waits(engine)
    engine.dispose()
