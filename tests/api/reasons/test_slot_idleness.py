"""Why slots are idle and how allocations stand, from rows; no scheduler is asked."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from ambs_hpc import identity, queue
from ambs_hpc.api.reasons import scheduler_news
from ambs_hpc.api.reasons.allocation_story import allocation_lines, allocation_story
from ambs_hpc.api.reasons.slot_idleness import idle_lines, why_slots_idle
from ambs_hpc.errors import DatabaseRefused
from ambs_hpc.queue.schema.tables import launcher
from ambs_hpc.records import LauncherStats, NewNodeEvent, Resources
from ambs_hpc.schedulers import CouldNotAsk
from ambs_hpc.sites.allocations import Refreshed
from ambs_hpc.states import IdleReason, NodeEventKind
from tests.queue import stock

UNHEARD = Refreshed(1, (CouldNotAsk("squeue", "no answer in 30 s"),))


@pytest.fixture(autouse=True)
def _no_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_news, "refresh", lambda *_: Refreshed(0, ()))


def codes(engine: Engine) -> list[str]:
    return [one.code for one in why_slots_idle(engine, "me", 0.0).reasons]


def test_reasons_follow_what_happens(any_engine: Engine, tmp_path: Path) -> None:
    """Nobody, queued, no launcher yet, free slots with nothing to do, shapes that never fit, cut off."""
    here = identity.this_process()
    me = {"host": here.host, "pid": here.pid, "process_started": here.started, "namespace": here.namespace}
    with queue.transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection, max_evaluations=4).id
        stock.evaluations(connection, campaign_id, 1)
    assert codes(any_engine) == ["no_launcher"]

    with queue.transaction(any_engine) as connection:
        number = queue.prepare_allocation(connection, "s", "slurm", {"nodes": 1, "folder": str(tmp_path)})
        queue.note_submitted(connection, number, "7")
        queue.note_allocation_state(connection, number, "QUEUED", detail="PENDING Priority")
    assert codes(any_engine) == ["allocation_waits"]

    with queue.transaction(any_engine) as connection:
        ends_at = queue.read_now(connection) + 3600.0
        queue.note_allocation_state(connection, number, "RUNNING", ends_at=ends_at)
    assert codes(any_engine) == ["allocation_without_launcher"]

    with queue.transaction(any_engine) as connection:
        launcher_id = stock.launcher(connection, allocation_id=number, slots=2, **me)
        queue.note_capacity(connection, launcher_id, [queue.NodeCapacity("n1", 2)])
        queue.claim(connection, launcher_id, 1)
        queue.heartbeat(connection, launcher_id, LauncherStats(2, 0.0, "no evaluation is ready"))
        queue.note_idleness(connection, launcher_id, IdleReason.NO_SEARCH)
    assert codes(any_engine) == ["no_search"]

    with queue.transaction(any_engine) as connection:
        queue.enqueue(connection, campaign_id, [stock.new(1, Resources(cores=3))])
    found = why_slots_idle(any_engine, "me", 0.0)
    assert [one.code for one in found.reasons] == ["other_shapes"]
    *_, last = idle_lines(found)
    assert last.strip() == "ambs check --nodes 1 --time 60"

    with queue.transaction(any_engine) as connection:
        events = [NewNodeEvent(f"n{i}", NodeEventKind.PROBED) for i in range(9)]
        events += [NewNodeEvent("n0", NodeEventKind.NODE_LOST, is_failure=True) for _ in range(3)]
        queue.record_node_events(connection, "s", launcher_id, events)
    assert codes(any_engine) == ["other_shapes", "node_left_out"]


def test_a_launcher_whose_process_is_gone_is_dead_at_once(any_engine: Engine) -> None:
    """On this host nobody has to wait until its heartbeat is late."""
    here = identity.this_process()
    child = os.spawnlp(os.P_NOWAIT, "true", "true")
    os.waitpid(child, 0)
    with queue.transaction(any_engine) as connection:
        stock.campaign(connection)
        stock.launcher(
            connection, host=here.host, pid=child, process_started=1, namespace=here.namespace, slots=2
        )
    assert codes(any_engine) == ["launcher_dead"]


def test_an_allocation_tells_its_story(any_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting with its scheduler's words and expectation, running, and over."""
    with queue.transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        new = [
            stock.new(0, time_limit_seconds=60.0),
            stock.new(1, time_limit_seconds=7200.0),
            stock.new(2, Resources(nodes=9), time_limit_seconds=60.0),
        ]
        queue.enqueue(connection, campaign_id, new)
        now = queue.read_now(connection)
        request = {"nodes": 2, "minutes": 30, "queue": "batch", "folder": "/nowhere"}
        first, number = (queue.prepare_allocation(connection, "away", "slurm", request) for _ in range(2))
        for one in (first, number):
            queue.note_submitted(connection, one, str(one))
            queue.note_allocation_state(
                connection, one, "QUEUED", detail="PENDING JobHeldUser", expected_start_at=now + 90.0
            )
    monkeypatch.setattr(scheduler_news, "refresh", lambda *_: UNHEARD)
    note, *lines = allocation_lines(allocation_story(any_engine, number, "me", now))
    assert note.startswith("note: squeue could not be asked: no answer in 30 s")
    assert lines == [
        "allocation 2 (2) on away: QUEUED",
        "  asked for: 2 nodes for 30 minutes, queue batch",
        "  slurm says: PENDING JobHeldUser (you hold it)",
        "  1 of yours were submitted before it and wait, too",
        "  slurm expects it to start in 1 min 30 s",
        "  it would run 1 of 3 evaluations that wait",
        "    not 1 of digits: each may run for 2 h 0 min, and it has 30 min 0 s",
        "    not 1 of digits: each needs 9 nodes",
        "  scontrol release 2, or: qrls 2",
    ]

    with queue.transaction(any_engine) as connection:
        queue.note_allocation_state(
            connection, number, "RUNNING", started_at=now - 60.0, ends_at=now + 8000.0, detail="RUNNING"
        )
        stock.launcher(connection, allocation_id=number)
    lines = [*allocation_lines(allocation_story(any_engine, number, "me", now))]
    assert "  running for 1 min 0 s, 2 h 13 min left" in lines
    assert "  it can run 2 of 3 evaluations that wait" in lines
    assert lines[-1] == "  ambs why idle"

    with queue.transaction(any_engine) as connection:
        queue.note_allocation_state(connection, number, "ENDED", ends_at=now + 30.0, detail="COMPLETED")
    lines = [*allocation_lines(allocation_story(any_engine, number, "me", now))]
    assert lines[-2:] == ["  it has run for 1 min 30 s", "  ambs ledger"]


def test_who_may_only_read_is_told_what_is_stored(
    any_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Colleagues ask through the reader, which cannot store what a scheduler says."""
    with queue.transaction(any_engine) as connection:
        number = queue.prepare_allocation(connection, "s", "slurm", {"nodes": 1, "minutes": 5})
        queue.note_submitted(connection, number, "7")

    def refused(*_: object) -> Refreshed:
        raise DatabaseRefused("permission denied for table allocation")

    monkeypatch.setattr(scheduler_news, "refresh", refused)
    idle = list(idle_lines(why_slots_idle(any_engine, "me", 0.0)))
    told = list(allocation_lines(allocation_story(any_engine, number, "me", 0.0)))
    for lines in (idle, told):
        assert lines[0].startswith("note: you may only read this database")
        assert "allocation 1 (7) on s" in lines[1]


def test_a_launcher_that_lost_the_database_once_may_hang_now(any_engine: Engine, tmp_path: Path) -> None:
    """What it logged before its last heartbeat is over; what it logged since says why it is silent."""
    with queue.transaction(any_engine) as connection:
        stock.campaign(connection)
        number = queue.prepare_allocation(connection, "s", "slurm", {"nodes": 1, "folder": str(tmp_path)})
        queue.note_submitted(connection, number, "7")
        queue.note_allocation_state(connection, number, "RUNNING")
        launcher_id = stock.launcher(connection, allocation_id=number, host="n1")
        silent = update(launcher).where(launcher.c.id == launcher_id)
        connection.execute(silent.values(heartbeat_at=queue.read_now(connection) - 200.0))
    log = tmp_path / "ambs-allocations" / f"{number}.error"
    log.parent.mkdir()
    log.write_text("WARNING database away, evaluations run on: refused\n")
    assert codes(any_engine) == ["database_away"]
    long_ago = time.time() - 300.0
    os.utime(log, (long_ago, long_ago))
    assert codes(any_engine) == ["launcher_silent"]
