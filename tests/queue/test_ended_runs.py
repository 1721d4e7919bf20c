"""What a comparison of campaigns is made of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Engine

from ambs_hpc.queue import (
    EndedRun,
    cancel,
    claim,
    complete,
    ended_node_seconds,
    ended_runs,
    enqueue,
    fail,
    import_results,
    prepare_allocation,
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
        together = ended_node_seconds(connection, campaign_id)
    assert [one.objective for one in runs] == [1.0, 1.0, 0.5]
    # Launchers have 4 slots; each attempt ran for a second.
    assert [one.node_seconds for one in runs] == pytest.approx([3.0, 1.0, 0.25 + 0.5], rel=1e-3)
    assert together == pytest.approx(sum(one.node_seconds for one in runs), rel=1e-9)
    assert isinstance(runs[0], EndedRun)
