"""A pool of workers over eight nodes of a real Slurm, each with a network of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.databases import wait_until
from tests.slurm.cluster import stop_cluster
from tests.stories.test_many_nodes import (
    ENDED,
    Centre,
    assert_cores_are_near,
    assert_gpus_are_apart,
    centre,
    host_of,
    kill_launcher,
    pytestmark,
)

__all__ = ["centre", "pytestmark"]

ALL_UP_SECONDS = 120  # 32 interpreters that import Parsl, on the processors of one machine


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    yield
    stop_cluster()


def submit(centre: Centre, nodes: int = 8) -> None:
    centre.ambs("submit", "-n", str(nodes), "-t", "10", "--executor", "parsl")
    wait_until(lambda: centre.allocations()[0]["state"] == "RUNNING", 30)


def test_pool_reaches_every_node(centre: Centre) -> None:
    """Over the nodes' own network, with a database on the login node; four slots a node, each with a GPU."""
    problem = centre.problem("one", "'model:on_gpus'", resources="Resources(gpus=1)")
    with centre.search(problem, 200, 64) as search:
        submit(centre)
        assert search.wait(ALL_UP_SECONDS) == 0
    centre.assert_each_ended_once(200)
    rows = centre.rows("select node, metrics, started_at, finished_at from v_evaluations")
    assert {row["node"] for row in rows} == {f"n{number}" for number in range(1, 9)}
    assert all(row["node"] == host_of(row) for row in rows)
    assert_gpus_are_apart(rows)
    assert_cores_are_near(rows)
    centre.end_allocations()
    wait_until(lambda: not centre.left_on_nodes(), 40)


def test_killed_launcher_loses_nothing(centre: Centre) -> None:
    """Nothing is done twice, nothing counts as a failure, nothing stays on a node."""
    with centre.search(centre.problem("long", "'model:long'"), 48) as search:
        submit(centre, 4)
        wait_until(lambda: centre.counts().get("DONE", 0) > 2, 60)
        kill_launcher(centre)
        wait_until(lambda: centre.allocations()[0]["state"] in ENDED, 60)
        wait_until(lambda: not centre.left_on_nodes(), 60)
        submit(centre, 4)
        assert search.wait(ALL_UP_SECONDS) == 0
    centre.assert_each_ended_once(48)


def test_dead_node_takes_only_its_own_evaluations(centre: Centre) -> None:
    """One without room in its scratch gets none. The last of this file: the nodes stay so."""
    centre.cluster.fill("n2", centre.scratch)
    with centre.search(centre.problem("long", "'model:long'"), 64) as search:
        submit(centre, 4)
        wait_until(lambda: centre.counts().get("DONE", 0) > 6, 60)
        wait_until(lambda: centre.rows("select id from v_evaluations where node = 'n3'"), 60)
        centre.cluster.kill_node("n3")
        assert search.wait(ALL_UP_SECONDS) == 0
        assert centre.allocations()[0]["state"] == "RUNNING"
    centre.assert_each_ended_once(64)
    again = centre.rows("select node from v_evaluations where attempt > 1")
    assert 1 <= len(again) <= 4
    assert "n3" not in {row["node"] for row in again}
    assert not centre.rows("select id from v_evaluations where node = 'n2'")
    wait_until(lambda: centre.accused() - {"n1"} == {"n2", "n3"}, 60)  # n1 has no GPUs at all
