"""A node that a launcher of another allocation has: nothing starts there until it is free."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ambs_hpc.launcher.executors import node_pauses
from ambs_hpc.launcher.executors.parsl import node_main
from ambs_hpc.launcher.executors.parsl.executor import ParslExecutor
from ambs_hpc.launcher.executors.process import ProcessExecutor
from ambs_hpc.launcher.executors.protocol import Ended, Executor, Interrupted
from ambs_hpc.launcher.node_pool import NodePool, Tenancy
from ambs_hpc.launcher.packing import Node, Packing
from ambs_hpc.launcher.supervisor.probes.node_lock import NodeClaim, NodeLock, lock_node, physical_core
from ambs_hpc.records import Claim, Outcome, Resources
from ambs_hpc.schedulers.cobalt import Cobalt
from tests.databases import wait_until
from tests.launcher.prepared import Prepared, prepared

CORES = tuple(sorted(os.sched_getaffinity(0)))
ONE_CORE = Resources()
WHO = "launcher 1 on n1 in cobalt allocation 6"


@pytest.fixture
def pool(tmp_path: Path) -> NodePool:
    """One node, whose name no other test has."""
    node = Node(f"node-of-{tmp_path.name}-{os.getpid()}", CORES)
    return NodePool((node,), "CUDA_VISIBLE_DEVICES", tenancy=Tenancy(Cobalt("alice"), "7"))


@pytest.fixture
def other(pool: NodePool) -> Iterator[NodeLock]:
    """What another launcher holds."""
    lock = lock_node(NodeClaim(pool.own_name, CORES, "other", WHO))
    assert isinstance(lock, NodeLock)
    yield lock
    lock.release()


def evaluation(tmp_path: Path, number: int, resources: Resources = ONE_CORE) -> Prepared:
    claim = Claim(number, 1, "c", number, 1, f"t{number}", {}, resources, None)
    return prepared(claim, ["true"], None, str(tmp_path), str(tmp_path / "runs" / f"{number}-1"), {})


def is_free(pool: NodePool) -> bool:
    """Whether a third launcher would get the node."""
    lock = lock_node(NodeClaim(pool.own_name, CORES, "third", "third"))
    if isinstance(lock, NodeLock):
        lock.release()
    return isinstance(lock, NodeLock)


def until(executor: Executor, holds: Callable[[list[Ended]], bool], seconds: float = 30.0) -> list[Ended]:
    ended: list[Ended] = []
    deadline = time.monotonic() + seconds
    while not holds(ended):
        assert time.monotonic() < deadline, (ended, executor.troubles)
        ended += executor.poll(0.05)
    return ended


def test_one_process_each_waits_for_the_node(
    pool: NodePool, other: NodeLock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The evaluation goes back unharmed, people read who has the node, and it is used once it is free."""
    monkeypatch.setattr(node_pauses, "TAKEN_SECONDS", 0.3)
    executor = ProcessExecutor(Packing(pool.nodes), pool, 1.0)
    try:
        assert executor.start(*evaluation(tmp_path, 1))
        ended = until(executor, lambda ended: len(ended) == 1)
        reason = f"node {pool.own_name}: in use by {WHO}"
        assert ended == [Interrupted(1, 1, reason, started=False)]
        assert executor.room() is None
        assert executor.troubles == [f"the node is in use by {WHO}"]
        until(executor, lambda _: executor.room() is not None)
        assert executor.start(*evaluation(tmp_path, 2))
        (again,) = until(executor, lambda ended: len(ended) == 1)
        assert again == Interrupted(2, 1, reason, started=False)
        other.release()
        until(executor, lambda _: executor.room() is not None)
        assert executor.start(*evaluation(tmp_path, 3))
        (outcome,) = until(executor, lambda ended: len(ended) == 1)
        assert isinstance(outcome, Outcome)
        assert outcome.exit_status == 0
        assert executor.troubles == []
        assert not is_free(pool)
    finally:
        executor.close()
    assert is_free(pool), "a launcher that has ended holds nothing"


def test_a_launcher_that_is_crowded_out_gives_its_nodes_up(
    pool: NodePool, other: NodeLock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would pay for nodes that it does not use."""
    monkeypatch.setattr(node_pauses, "CROWDED_SECONDS", 0.1)
    monkeypatch.setattr(node_pauses, "TAKEN_SECONDS", 0.1)
    packing = Packing(pool.nodes)
    executor = ProcessExecutor(packing, pool, 1.0)
    try:
        assert executor.start(*evaluation(tmp_path, 1))
        until(executor, lambda ended: len(ended) == 1)
        until(executor, lambda _: executor.room() is not None)
        assert executor.start(*evaluation(tmp_path, 2))
        until(executor, lambda _: not packing.nodes)
        assert executor.troubles == [f"node {pool.own_name}: launchers of other allocations have it"]
    finally:
        executor.close()


def test_ranks_on_other_nodes_do_not_need_this_one(pool: NodePool, other: NodeLock, tmp_path: Path) -> None:
    """Their launch command runs here and uses none of its cores; with this node among theirs they wait."""
    own = pool.own_name
    nodes = (*pool.nodes, Node("n2", CORES), Node("n3", CORES))
    cluster = replace(
        pool,
        nodes=nodes,
        launch_on=lambda node: () if node == own else ("env",),
        launch_ranks=lambda *_: ("env",),
    )
    packing = Packing(nodes)
    executor = ProcessExecutor(packing, cluster, 1.0)
    ranks = Resources(nodes=2, ranks_per_node=1)
    try:
        packing.limit(own, 0)
        assert executor.start(*evaluation(tmp_path, 1, ranks))
        (outcome,) = until(executor, lambda ended: len(ended) == 1)
        assert isinstance(outcome, Outcome)
        assert (outcome.node, outcome.exit_status) == ("n2+1", 0)
        packing.limit(own, None)
        packing.limit("n3", 0)
        assert executor.start(*evaluation(tmp_path, 2, ranks))
        (taken,) = until(executor, lambda ended: len(ended) == 1)
        assert taken == Interrupted(2, 1, f"node {own}: in use by {WHO}", started=False)
    finally:
        executor.close()


def test_a_container_on_a_taken_node_is_not_to_blame(pool: NodePool, other: NodeLock, tmp_path: Path) -> None:
    """Its supervisor ends before it has greeted, as one does whose container does not start."""
    executor = ProcessExecutor(Packing(pool.nodes), pool, 1.0)
    claim, request = evaluation(tmp_path, 1)
    try:
        assert executor.start(claim, replace(request, within=["env", sys.executable]))
        (taken,) = until(executor, lambda ended: len(ended) >= 1)
        assert taken == Interrupted(1, 1, f"node {pool.own_name}: in use by {WHO}", started=False)
    finally:
        executor.close()


@pytest.mark.skipif(len({physical_core(one) for one in CORES}) < 2, reason="a part of one core is no part")
@pytest.mark.parametrize("is_a_number", [False, True])
def test_evaluations_are_not_bound_to_guessed_cores(
    pool: NodePool, tmp_path: Path, *, is_a_number: bool
) -> None:
    """Two allocations with a part of a node each would guess the same ones, and crowd there."""
    part = replace(pool, nodes=(replace(pool.nodes[0], cores=CORES[:1]),))
    part = replace(part, counted=frozenset({part.own_name} if is_a_number else ()))
    executor = ProcessExecutor(Packing(part.nodes), part, 1.0)
    claim, request = evaluation(tmp_path, 1)
    try:
        text = "import os; print(*sorted(os.sched_getaffinity(0)))"
        assert executor.start(claim, replace(request, arguments=[sys.executable, "-c", text]))
        until(executor, lambda ended: len(ended) == 1)
        bound = (Path(request.folder) / "stdout").read_text().split()
        assert bound == [str(core) for core in (CORES if is_a_number else CORES[:1])]
    finally:
        executor.close()


@pytest.mark.usefixtures("other")
def test_launchers_outside_of_batch_allocations_overlap(pool: NodePool, tmp_path: Path) -> None:
    """People start several on their own machine on purpose."""
    by_hand = NodePool(pool.nodes, pool.gpu_variable)
    executor = ProcessExecutor(Packing(by_hand.nodes), by_hand, 1.0)
    try:
        assert executor.start(*evaluation(tmp_path, 1))
        (outcome,) = until(executor, lambda ended: len(ended) == 1)
        assert isinstance(outcome, Outcome)
    finally:
        executor.close()


def test_a_pool_waits_for_the_node(pool: NodePool, other: NodeLock, tmp_path: Path) -> None:
    """Its workers come up there only once it is free."""
    executor = ParslExecutor(Packing(pool.nodes), pool, 1.0, tmp_path / "pools")
    try:
        assert executor.start(*evaluation(tmp_path, 1))
        told = [f"node {pool.own_name}: in use by {WHO}"]
        until(executor, lambda _: list(executor.troubles) == told)
        assert executor.room() is None
        other.release()
        (outcome,) = until(executor, lambda ended: len(ended) == 1, node_main.TAKEN_SECONDS + 30.0)
        assert isinstance(outcome, Outcome)
        assert executor.troubles == []
        assert not is_free(pool)
    finally:
        executor.close()
    wait_until(lambda: is_free(pool), 20.0)
