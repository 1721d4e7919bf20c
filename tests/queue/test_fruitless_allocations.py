"""Which allocations were of no use for what waits."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, update

from ambs_hpc import queue
from ambs_hpc.queue.schema import tables
from tests.queue import stock


def allocation(connection: Connection, began_in_seconds: float) -> tuple[int, int]:
    """One that ran a launcher and is over, and that launcher."""
    number = queue.prepare_allocation(connection, "s", "slurm", {"nodes": 1})
    queue.note_submitted(connection, number, str(number))
    began = queue.read_now(connection) + began_in_seconds
    queue.note_allocation_state(connection, number, "ENDED", started_at=began)
    return number, stock.launcher(connection, pid=number, allocation_id=number)


def test_they_ended_nothing_while_evaluations_waited(any_engine: Engine) -> None:
    """Not those that ended one, worked at one for long, began before it was proposed, or still run."""
    with queue.transaction(any_engine) as connection:
        first = stock.campaign(connection)
        stock.evaluations(connection, first.id, 2)
        other = stock.campaign(connection, name="other")
        idle, _ = allocation(connection, 10.0)
        allocation(connection, -10.0)
        _, useful = allocation(connection, 10.0)
        (claim,) = queue.claim(connection, useful, 1)
        queue.complete(connection, useful, [stock.success(claim)])
        _, busy = allocation(connection, 10.0)
        launcher = tables.launcher
        worked = update(launcher).where(launcher.c.id == busy)
        connection.execute(worked.values(busy_seconds=50.0, heartbeat_at=launcher.c.started_at + 100.0))
        alive, _ = allocation(connection, 10.0)
        queue.note_allocation_state(connection, alive, "RUNNING")
    with queue.reading(any_engine) as connection:
        assert queue.fruitless_allocations(connection, None, 0.05) == {idle}
        assert queue.fruitless_allocations(connection, [first.id], 0.05) == {idle}
        assert queue.fruitless_allocations(connection, [other.id], 0.05) == set()
    with queue.transaction(any_engine) as connection:
        assert len(queue.claim(connection, useful, 2)) == 1
    with queue.reading(any_engine) as connection:
        assert queue.fruitless_allocations(connection, None, 0.05) == set()
