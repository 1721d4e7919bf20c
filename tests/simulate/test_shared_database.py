"""The file's lock and its delays hold in virtual time, so no actor sees what has not been made yet."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ambs_hpc.queue import live_launchers, reading, register_launcher, transaction
from ambs_hpc.records import NewLauncher
from ambs_hpc.simulate.shared_database import SharedDatabase, next_look
from ambs_hpc.simulate.virtual_clock import START, Timeline, VirtualTime

LAUNCHER = NewLauncher("host", 1, 1, 4)


def spend(cpu_seconds: float) -> None:
    until = time.process_time() + cpu_seconds
    while time.process_time() < until:
        pass


def test_a_transaction_waits_for_the_one_before(tmp_path: Path) -> None:
    """Charged costs must not let an actor read rows before the moment of their commit."""
    database, world = SharedDatabase(tmp_path / "a.db"), VirtualTime()
    database.engine()  # makes the tables before time begins
    seen: dict[str, float] = {}

    def writer(clock: Timeline) -> None:
        engine = database.engine_of(clock)
        clock.wait_until(START + 5.0)
        with transaction(engine) as connection:
            register_launcher(connection, LAUNCHER)
            spend(0.2)

    def reader(clock: Timeline) -> None:
        engine = database.engine_of(clock)
        clock.wait_until(START + 5.05)
        with reading(engine) as connection:
            seen["rows"] = len(live_launchers(connection, 60.0))
            seen["at"] = clock.now() - START

    world.add("writer", writer)
    world.add("reader", reader)
    world.run(10.0)
    database.close()
    assert seen["rows"] == 1
    assert seen["at"] >= 5.2


def test_stored_times_are_virtual(tmp_path: Path) -> None:
    """Heartbeats by the machine's own clock would never look stale, or always."""
    database, world = SharedDatabase(tmp_path / "a.db"), VirtualTime(charged=False)
    ages: list[float] = []

    def launcher(clock: Timeline) -> None:
        engine = database.engine_of(clock)
        with transaction(engine) as connection:
            register_launcher(connection, LAUNCHER)
        clock.sleep(42.0)
        with reading(engine) as connection:
            ages.extend(one.heartbeat_age_seconds for one in live_launchers(connection, 60.0))
            assert not live_launchers(connection, 41.0)

    world.add("launcher", launcher)
    world.run(100.0)
    database.close()
    assert ages == [pytest.approx(42.0)]


def test_who_waits_hears_of_a_commit_when_it_looks_next(tmp_path: Path) -> None:
    """SQLite tells nobody; the delay until somebody looks is part of the honest picture."""
    database, world = SharedDatabase(tmp_path / "a.db"), VirtualTime(charged=False)
    heard: list[float] = []

    def search(clock: Timeline) -> None:
        database.engine_of(clock)
        database.wait_for_change(clock, 10.0)
        heard.append(clock.now() - START)
        database.wait_for_change(clock, 10.0)
        heard.append(clock.now() - START)

    def launcher(clock: Timeline) -> None:
        engine = database.engine_of(clock)
        clock.wait_until(START + 1.0)
        with transaction(engine) as connection:
            register_launcher(connection, LAUNCHER)
        clock.wait_until(START + 2.0)
        with transaction(engine) as connection:
            live_launchers(connection, 60.0)  # changes nothing

    world.add("launcher", launcher)
    world.add("search", search)
    world.run(100.0)
    database.close()
    assert heard[0] == pytest.approx(0.0)  # what it has not seen counts at once
    assert 1.0 <= heard[1] <= 1.051


def test_looks_follow_the_pattern_of_the_real_wait() -> None:
    """2, 4, 8, ... milliseconds, then every 50."""
    assert next_look(100.0, 100.0) == 100.0
    assert next_look(100.0, 100.001) == pytest.approx(100.002)
    assert next_look(100.0, 100.01) == pytest.approx(100.014)
    assert next_look(100.0, 100.07) == pytest.approx(100.112)
    assert next_look(100.0, 101.0) == pytest.approx(101.012)
