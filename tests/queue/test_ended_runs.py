"""What a comparison of campaigns is made of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from ambs_hpc.queue import (
    EndedRun,
    attempted_node_seconds,
    cancel,
    claim,
    complete,
    ended_runs,
    enqueue,
    fail,
    import_results,
    prepare_allocation,
    read_now,
    release,
    transaction,
)
from ambs_hpc.records import ImportedResult, Resources
from tests.queue import stock


def test_an_ended_run_costs_what_all_its_attempts_had(any_engine: Engine) -> None:
    """A slot is a share of its launcher's nodes, whole nodes are whole, and a failed attempt is paid, too."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        shapes = [Resources(), Resources(nodes=3), Resources(whole_node=True), Resources()]
        ids = enqueue(connection, campaign_id, [stock.new(n, shape) for n, shape in enumerate(shapes)])
        cancel(connection, ids=ids[3:])
        allocation_id = prepare_allocation(connection, "polaris", "pbs", {"nodes": 2})
        here, there = stock.launcher(connection), stock.launcher(connection, allocation_id=allocation_id)
        (first, *others) = claim(connection, here, 3)
        fail(connection, here, [stock.failure(first)])
        complete(connection, here, [replace(stock.success(one), objective=1.0) for one in others])
        (again,) = claim(connection, there, 1)
        complete(connection, there, [replace(stock.success(again), objective=0.5)])
        import_results(connection, campaign_id, [ImportedResult({"lr": 0.1}, 0.1)])
        runs = ended_runs(connection, campaign_id)
        together = attempted_node_seconds(connection, campaign_id)
    assert [one.objective for one in runs] == [1.0, 1.0, 0.5]
    # Launchers have 4 slots; each attempt ran for a second.
    assert [one.node_seconds for one in runs] == pytest.approx([3.0, 1.0, 0.25 + 0.5], rel=1e-3)
    assert together == pytest.approx(sum(one.node_seconds for one in runs), rel=1e-9)
    assert isinstance(runs[0], EndedRun)


def test_what_has_not_ended_is_paid_for_by_the_next_that_ends(any_engine: Engine) -> None:
    """A campaign that pauses most of its evaluations would look cheap beside one that runs all of them."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        stock.evaluations(connection, campaign_id, 3)
        launcher_id = stock.launcher(connection)
        one, before, after = claim(connection, launcher_id, 3)
        release(connection, launcher_id, [(before.id, 1), (after.id, 1)], interrupted=True, reason="walltime")
        now = read_now(connection)
        for each, ended_at in ((before, now + 1.0), (after, now + 3.0)):
            times = {"start": ended_at - 2.0, "end": ended_at, "id": each.id}
            change = "UPDATE evaluation_event SET started_at = :start, finished_at = :end"
            connection.execute(text(f"{change} WHERE evaluation_id = :id AND move = 'release'"), times)
        outcome = replace(stock.success(one), started_at=now + 1.0, finished_at=now + 2.0)
        complete(connection, launcher_id, [outcome])
        (run,) = ended_runs(connection, campaign_id)
        together = attempted_node_seconds(connection, campaign_id)
    # Launchers have 4 slots.
    assert run.node_seconds == pytest.approx((2.0 + 1.0) / 4, rel=1e-3)
    assert together == pytest.approx((2.0 + 1.0 + 2.0) / 4, rel=1e-3)
