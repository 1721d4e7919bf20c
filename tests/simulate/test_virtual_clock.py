"""Actors share virtual time: the earliest runs, computing costs what it costs, the end ends all."""

from __future__ import annotations

import time

import pytest

from ambs_hpc.simulate.virtual_clock import START, Timeline, VirtualTime


def test_the_earliest_actor_runs_first() -> None:
    """Else an effect could come before its cause."""
    seen: list[tuple[str, float]] = []
    world = VirtualTime(charged=False)

    def every(seconds: float) -> None:
        def body(clock: Timeline) -> None:
            while True:
                clock.sleep(seconds)
                seen.append((f"{seconds:g}", clock.now() - START))

        world.add(f"{seconds:g}", body)

    every(3.0)
    every(2.0)
    world.run(7.0)
    assert seen == [("2", 2), ("3", 3), ("2", 4), ("3", 6), ("2", 6)]


def test_an_hour_takes_no_time() -> None:
    """A clock that waits for real would make the simulation pointless."""
    world = VirtualTime()
    world.add("sleeper", lambda clock: clock.sleep(3599.0))
    began = time.monotonic()
    world.run(3600.0)
    assert time.monotonic() - began < 1.0


def test_computing_is_charged_to_its_own_actor_alone() -> None:
    """Actors stand for processes on cores of their own: one's work does not delay the other."""
    times: dict[str, float] = {}
    world = VirtualTime()

    def busy(clock: Timeline) -> None:
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass
        times["busy"] = clock.now() - START
        clock.sleep(1.0)

    def quick(clock: Timeline) -> None:
        clock.sleep(0.01)
        times["quick"] = clock.now() - START

    worker = world.add("busy", busy)
    world.add("quick", quick)
    world.run(2.0)
    assert 0.05 <= times["busy"] < 0.2
    assert 0.01 <= times["quick"] < 0.04
    assert 0.05 <= worker.cpu_seconds < 0.2


def test_a_free_clock_charges_nothing() -> None:
    """The comparison that shows what the overhead is."""
    times: list[float] = []
    world = VirtualTime(charged=False)

    def busy(clock: Timeline) -> None:
        sum(range(200_000))
        times.append(clock.now() - START)

    world.add("busy", busy)
    world.run(1.0)
    assert times == [0.0]


def test_a_waiting_actor_can_be_woken_earlier() -> None:
    """A search that polls every half second must hear of a commit before that."""
    woken: list[float] = []
    world = VirtualTime(charged=False)

    def sleeper(clock: Timeline) -> None:
        clock.sleep(100.0)
        woken.append(clock.now() - START)

    sleeping = world.add("sleeper", sleeper)

    def waker(clock: Timeline) -> None:
        clock.sleep(5.0)
        sleeping.wake_at(clock.now() + 1.0)
        sleeping.wake_at(clock.now() + 50.0)

    world.add("waker", waker)
    world.run(200.0)
    assert woken == [6.0]


def test_an_error_in_an_actor_reaches_the_caller() -> None:
    """A simulation that swallows an error of the search would report nonsense."""
    world = VirtualTime()
    ended: list[str] = []

    def waits(clock: Timeline) -> None:
        try:
            clock.sleep(1e6)
        finally:
            ended.append("cleaned up")

    def breaks(clock: Timeline) -> None:
        clock.sleep(1.0)
        raise ValueError("broken")

    world.add("waits", waits)
    world.add("breaks", breaks)
    with pytest.raises(ValueError, match="broken"):
        world.run(10.0)
    assert ended == ["cleaned up"]
