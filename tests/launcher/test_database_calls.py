"""A database that does not answer keeps a launcher from nothing but the database."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from ambs_hpc.errors import DatabaseUnreachable
from ambs_hpc.launcher import exchange as exchange_module
from ambs_hpc.launcher.database_calls import CallsBeside
from ambs_hpc.queue import cancel, rerun, transaction
from ambs_hpc.states import State
from tests.launcher.test_loop import Stage, _own_allow_list, rounds  # noqa: F401  by itself


def test_a_call_that_hangs_is_left_alone() -> None:
    """The next one is refused until it has ended; then its own answer is there."""
    calls, gate = CallsBeside(), threading.Event()
    hanging = calls.begin(lambda: gate.wait(30))
    assert not hanging.wait(0.05)
    with pytest.raises(DatabaseUnreachable, match="has not answered"):
        calls.begin(lambda: 1)
    gate.set()
    assert hanging.wait(5)
    assert hanging.result() is True
    assert calls.begin(lambda: 7).wait(5)


def test_an_error_is_raised_where_the_answer_is_asked_for() -> None:
    """Not in the thread, where nobody would see it."""

    def fail() -> None:
        raise DatabaseUnreachable("gone")

    answer = CallsBeside().begin(fail)
    assert answer.wait(5)
    with pytest.raises(DatabaseUnreachable, match="gone"):
        answer.result()


def test_a_launcher_goes_on_while_the_database_hangs(
    any_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ends meanwhile is recorded when it answers again; what it had leased in that answer is started."""
    stage = Stage(any_engine, tmp_path, 5)
    loop, executor = stage.launcher(calls=CallsBeside())
    rounds(loop)
    gate = threading.Event()

    @contextmanager
    def slow(engine: Engine) -> Iterator[Connection]:
        gate.wait(30)
        with transaction(engine) as connection:
            yield connection

    with monkeypatch.context() as patch:
        patch.setattr(exchange_module, "transaction", slow)
        executor.end(next(iter(executor.running)))
        begun = time.monotonic()
        rounds(loop, 2)
        assert time.monotonic() - begun < 3.0
        loop.stop(grace_seconds=1.0)
        assert executor.cancelled
        gate.set()
        rounds(loop, 4)
    assert stage.states()[State.DONE] == 1


def test_a_launcher_that_the_database_forgot_registers_again(any_engine: Engine, tmp_path: Path) -> None:
    """The database went back to a copy from before it began: what it holds is not known there."""
    stage = Stage(any_engine, tmp_path, 2)
    loop, executor = stage.launcher()
    rounds(loop)
    assert len(executor.running) == 2
    with transaction(any_engine) as connection:
        connection.execute(text("UPDATE evaluation SET state = 'READY', launcher_id = NULL"))
        connection.execute(text("DELETE FROM evaluation_event"))
        for table in ("launcher_node", "launcher_idleness", "launcher"):
            connection.execute(text(f"DELETE FROM {table}"))
    stage.clock.sleep(5.0)
    rounds(loop)
    assert sorted(executor.cancelled) == [1, 2]
    with transaction(any_engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM launcher")).scalar() == 1


def test_a_campaign_that_got_the_id_again_is_run_by_its_own_program(
    any_engine: Engine, tmp_path: Path
) -> None:
    """The database was restored: what the launcher knows of a number may be of another campaign."""
    stage = Stage(any_engine, tmp_path, 3)
    loop, executor = stage.launcher(cores=1)
    rounds(loop)
    (first,) = executor.running.values()
    with transaction(any_engine) as connection:
        connection.execute(text("UPDATE campaign SET uid = 'another', run_directory = '/not/registered'"))
    executor.end(first.claim.id)
    rounds(loop)
    assert not executor.running
    assert "/not/registered" in loop.tally.refused["c"]


def test_a_former_attempt_ends_before_its_successor_begins(any_engine: Engine, tmp_path: Path) -> None:
    """Cancelled and rerun between two heartbeats: it was started twice, and one of them never ended."""
    stage = Stage(any_engine, tmp_path, 1)
    loop, executor = stage.launcher(cores=2)
    rounds(loop)
    (former,) = executor.running.values()
    with transaction(any_engine) as connection:
        cancel(connection, ids=[former.claim.id])
        rerun(connection, ids=[former.claim.id])
    loop._pace.note_heartbeat(float("inf"))  # it leases before it hears
    rounds(loop)
    assert executor.cancelled == [former.claim.id]
    assert executor.running == {former.claim.id: former}
    executor.end(former.claim.id, interrupted=True)
    rounds(loop)
    (successor,) = executor.running.values()
    assert successor.claim.attempt == 2
    executor.end(successor.claim.id)
    rounds(loop)
    assert stage.states() == {State.DONE: 1}
    assert loop.is_idle
