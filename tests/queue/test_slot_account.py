"""What is stored of how nodes were used comes back as the ledger needs it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Engine

from ambs_hpc import queue
from ambs_hpc.records import MANUAL, Proposal, Resources
from ambs_hpc.states import IdleReason
from tests.queue import stock


def test_launchers_tell_their_nodes_once_and_their_reasons_as_they_change(any_engine: Engine) -> None:
    """An exchange whose answer was lost is made again: nothing is counted twice."""
    nodes = [queue.NodeCapacity("n1", 8, 4, 64.0), queue.NodeCapacity("n2", 8, most=2.5)]
    with queue.transaction(any_engine) as connection:
        launcher_id = stock.launcher(connection)
        for _ in range(2):
            queue.note_capacity(connection, launcher_id, nodes)
        for reason in (IdleReason.BUSY, IdleReason.NO_SEARCH):
            queue.note_idleness(connection, launcher_id, reason)
    with queue.reading(any_engine) as connection:
        found = queue.slot_account(connection)
    assert found.nodes == [(launcher_id, "n1", 8, 4, 64.0, None), (launcher_id, "n2", 8, 0, None, 2.5)]
    assert [one.reason for one in found.idleness] == ["busy", "no_search"]
    assert found.idleness[0].at <= found.idleness[1].at <= found.now


def test_every_attempt_is_read_once(any_engine: Engine) -> None:
    """One that ended, one that runs, and one whose result came after it had been taken away."""
    with queue.transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        new = [stock.new(0), stock.new(1, Resources(cores=2, gpus=1)), stock.new(2)]
        ids = queue.enqueue(connection, campaign_id, new)
        first, second = stock.launcher(connection), stock.launcher(connection, pid=2)
        done, _, late = queue.claim(connection, first, 3)
        queue.complete(connection, first, [stock.success(done)])
        queue.release(connection, first, [(late.id, late.attempt)], interrupted=True, reason="stopped")
        queue.complete(connection, second, [stock.success(late)])
    with queue.reading(any_engine) as connection:
        found = {one.evaluation_id: one for one in queue.slot_account(connection).attempts}
    assert [found[one].move for one in ids] == ["complete", "", "accept_late"]
    assert [found[one].launcher_id for one in ids] == [first] * 3
    assert (found[ids[1]].cores, found[ids[1]].gpus, found[ids[1]].finished_at) == (2, 1, None)
    assert {one.campaign for one in found.values()} == {"digits"}


def test_the_schedulers_word_for_an_end_counts_and_not_when_we_looked(any_engine: Engine) -> None:
    """It says so with the state, or later in its accounting; the end of a walltime to come is no end."""
    with queue.transaction(any_engine) as connection:
        now = queue.read_now(connection)
        ids = [queue.prepare_allocation(connection, "s", "slurm", {"nodes": 1}) for _ in range(3)]
        told = [now - 500.0, now + 3600.0, None]
        for number, ends_at in zip(ids, told, strict=True):
            queue.note_submitted(connection, number, str(number))
            queue.note_allocation_state(connection, number, "ENDED", started_at=now - 600.0, ends_at=ends_at)
        queue.note_allocation_times(connection, ids[2], None, now - 400.0)
        queue.note_allocation_state(connection, ids[2], "VANISHED")
        waits = queue.prepare_allocation(connection, "s", "slurm", {"nodes": 1})
        queue.note_allocation_state(connection, waits, "QUEUED", expected_start_at=now + 60.0)
    with queue.reading(any_engine) as connection:
        *ended, waiting = queue.allocation_times(connection)
    assert [one.told_ended_at for one in ended] == [now - 500.0, None, now - 400.0]
    assert ended[1].ended_at == pytest.approx(now, abs=60.0)
    assert {one.started_at for one in ended} == {now - 600.0}
    assert waiting.expected_start_at == now + 60.0


def test_a_budget_allows_further_proposals_or_not(any_engine: Engine) -> None:
    """What people add is beyond it; no budget always allows more."""
    with queue.transaction(any_engine) as connection:
        spent = stock.campaign(connection, max_evaluations=2).id
        stock.evaluations(connection, spent, 1)
        by_hand = Proposal({"lr": 0.3}, MANUAL)
        queue.enqueue(connection, spent, [replace(stock.new(-2), proposal=by_hand)])
        assert queue.has_unproposed(connection, None)
        stock.evaluations(connection, spent, 1, first=1)
        assert not queue.has_unproposed(connection, [spent])
        endless = stock.campaign(connection, name="endless", max_evaluations=None).id
        assert queue.has_unproposed(connection, [spent, endless])
