"""A pretended slot is occupied from the start to the virtual end, and tells once."""

from __future__ import annotations

from ambs_hpc.launcher.executors.protocol import Interrupted
from ambs_hpc.records import Claim, Outcome, Resources
from ambs_hpc.simulate.durations import Constant
from ambs_hpc.simulate.objectives import sphere
from ambs_hpc.simulate.simulated_executor import Load, SimulatedExecutor
from ambs_hpc.simulate.virtual_clock import START, Timeline, VirtualTime
from tests.launcher.prepared import Prepared, prepared


def work(number: int, attempt: int = 1) -> Prepared:
    claim = Claim(number, 1, "c", number, attempt, "token", {"x": float(number)}, Resources(), None)
    return prepared(claim, None, "m:f", "/", "/", {})


def test_slots_fill_and_evaluations_end_in_time() -> None:
    """The launcher's loop relies on count, room and a poll that wakes at the first end."""
    seen: list[object] = []

    def body(clock: Timeline) -> None:
        executor = SimulatedExecutor(clock, 2, Load(sphere, Constant(10.0)))
        assert executor.count(Resources()) == 2
        assert executor.start(*work(1))
        clock.sleep(4.0)
        assert executor.start(*work(2))
        assert not executor.start(*work(3))
        assert executor.room() is None
        assert executor.poll(1.0) == []
        seen.append(clock.now() - START)
        seen.extend(executor.poll(100.0))
        seen.append(clock.now() - START)
        assert executor.count(Resources()) == 1

    world = VirtualTime(charged=False)
    world.add("launcher", body)
    world.run(100.0)
    outcome = Outcome(1, 1, "token", START, START + 10.0, "pretended", objective=1.0)
    assert seen == [5.0, outcome, 10.0]


def test_a_cancelled_evaluation_is_told_once_and_its_next_attempt_is_another() -> None:
    """Its old end must not end what runs in its name later."""
    told: list[object] = []

    def body(clock: Timeline) -> None:
        executor = SimulatedExecutor(clock, 2, Load(sphere, Constant(10.0)))
        executor.start(*work(1))
        executor.cancel([1, 7], grace_seconds=5.0)
        told.extend(executor.poll(100.0))
        clock.sleep(3.0)
        executor.start(*work(1, attempt=2))
        told.extend(executor.poll(8.0))  # the first attempt would have ended now
        told.extend(executor.poll(8.0))

    world = VirtualTime(charged=False)
    world.add("launcher", body)
    world.run(100.0)
    assert told == [
        Interrupted(1, 1, "cancelled"),
        Outcome(1, 2, "token", START + 3.0, START + 13.0, "pretended", objective=1.0),
    ]
