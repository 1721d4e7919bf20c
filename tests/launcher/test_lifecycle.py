"""A launcher introduces itself with what it knows."""

from __future__ import annotations

from sqlalchemy import Engine

from ambs_hpc.clock import SystemClock
from ambs_hpc.launcher.lifecycle import LauncherSettings, _begin_on_nodes
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.launcher.packing import Node
from ambs_hpc.queue import last_launcher, reading, transaction
from tests.queue import stock

NODE = Node("n", tuple(range(64)), ("0", "1", "2", "3"))
SETTINGS = LauncherSettings(node_pool=NodePool((NODE,), "CUDA_VISIBLE_DEVICES"), executor="process", slots=32)


def slots_at_first(engine: Engine) -> int:
    begun = _begin_on_nodes(engine, SETTINGS, SystemClock(), None)
    begun.executor.close()
    with reading(engine) as connection:
        launcher = last_launcher(connection)
    assert launcher is not None
    return launcher.identity.slots


def test_before_any_campaign_a_launcher_tells_of_one_slot(any_engine: Engine) -> None:
    """Its cores are no slots: a search beside it would propose for each of them before the first result."""
    assert slots_at_first(any_engine) == 1


def test_the_slots_of_what_waits_are_told_at_once(any_engine: Engine) -> None:
    """A search on another machine has begun already."""
    with transaction(any_engine) as connection:
        problem = {"space": {"lr": [1e-5, 0.1]}, "resources": {"cores": 1, "gpus": 1}}
        stock.evaluations(connection, stock.campaign(connection, problem=problem).id, 1)
    assert slots_at_first(any_engine) == 4
