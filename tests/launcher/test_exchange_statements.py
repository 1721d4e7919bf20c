"""How often a launcher asks its database, in one exchange."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from ambs_hpc.timing import LAUNCHER_HEARTBEAT_SECONDS
from tests.launcher.test_loop import Stage, _own_allow_list, rounds  # noqa: F401  by itself
from tests.statements import statements_of

REPORTS = ["select campaign_progress", "select evaluation", "update evaluation", "insert evaluation_event"]
LEASES = ["update evaluation", "insert evaluation_event", "select campaign"]


@pytest.mark.parametrize("cores", [1, 30])
def test_results_and_their_successors_are_one_short_transaction(
    any_engine: Engine, tmp_path: Path, cores: int
) -> None:
    """Hundreds of launchers share a database: a statement for a feature that none uses costs all of them."""
    stage = Stage(any_engine, tmp_path, 3 * cores)
    loop, executor = stage.launcher(cores)
    rounds(loop)
    for _ in range(2):  # what is asked once of a campaign, or once a second, has been asked after the first
        loop.step(0.5)
        for evaluation_id in list(executor.running):
            executor.end(evaluation_id)
    told = ["notify ambs_finished"] if any_engine.dialect.name == "postgresql" else []
    with statements_of(any_engine) as sent:
        loop.step(0.5)
    assert len(executor.running) == cores
    assert sent == [*REPORTS, "update campaign_progress", *told, *LEASES]


def test_endings_of_several_kinds_lock_their_campaigns_together(any_engine: Engine, tmp_path: Path) -> None:
    """Locked one kind after another, those of two launchers could wait for each other in a circle."""
    stage = Stage(any_engine, tmp_path, 2)
    loop, executor = stage.launcher()
    rounds(loop)
    executor.end(stage.ids[0])
    executor.end(stage.ids[1], interrupted=True)
    with statements_of(any_engine) as sent:
        loop.step(0.5)
    assert sent[:2] == ["select campaign_progress", "select campaign_progress"]


def test_a_heartbeat_is_two_statements_where_all_slots_are_busy(any_engine: Engine, tmp_path: Path) -> None:
    """It is all that a launcher of long evaluations says for hours."""
    stage = Stage(any_engine, tmp_path, 2)
    loop, _ = stage.launcher()
    rounds(loop)
    stage.clock.sleep(LAUNCHER_HEARTBEAT_SECONDS)
    with statements_of(any_engine) as sent:
        loop.step(0.5)
    assert sent == ["update launcher", "select evaluation"]


def test_a_launcher_that_has_more_than_it_wants_asks_for_nothing(any_engine: Engine, tmp_path: Path) -> None:
    """It leased many short ones ahead, and they become longer: until one ends there is nothing to say."""
    stage = Stage(any_engine, tmp_path, 200)
    loop, executor = stage.launcher()
    rounds(loop)
    for evaluation_id in list(executor.running):
        executor.end(evaluation_id, seconds=0.001)
    loop.step(0.1)
    for _ in range(2):  # fewer are leased ahead of these
        stage.clock.sleep(0.9)
        executor.end(min(executor.running), seconds=0.9)
        loop.step(0.1)
    loop.step(0.1)  # the last ending is told
    transactions: list[object] = []
    event.listen(any_engine, "commit", transactions.append)
    for _ in range(5):
        loop.step(0.1)
    assert transactions == []
