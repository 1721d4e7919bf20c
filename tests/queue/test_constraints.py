"""What must never be stored, the database refuses, whoever writes."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, Engine, update
from sqlalchemy.exc import IntegrityError

from ambs_hpc.queue import claim, complete, transaction
from ambs_hpc.queue.schema.tables import campaign, campaign_progress, evaluation, launcher
from tests.queue import stock

WRITES_AROUND_THE_VERBS = True

NOW = 1_700_000_000.0
DONE = {"state": "DONE", "objective": 0.5, "finished_at": NOW, "finish_sequence": 9}
FAILED = {"state": "FAILED", "failure_kind": "ERROR", "finished_at": NOW, "finish_sequence": 9}
RUNNING = {"state": "RUNNING", "launcher_id": 1, "claimed_at": NOW, "attempt": 1}


def ready_evaluation(connection: Connection) -> None:
    stock.evaluations(connection, stock.campaign(connection).id, 1)
    assert stock.launcher(connection) == 1


@pytest.mark.parametrize("values", [DONE, FAILED, RUNNING], ids=["done", "failed", "running"])
def test_what_is_right_is_stored(any_engine: Engine, values: dict[str, Any]) -> None:
    """The refusals below are about what they change, not about the rest."""
    with transaction(any_engine) as connection:
        ready_evaluation(connection)
        connection.execute(update(evaluation).values(values))


WRONG: dict[str, dict[str, Any]] = {
    "done without objective": DONE | {"objective": None},
    "done with NaN": DONE | {"objective": float("nan")},
    "done with infinity": DONE | {"objective": float("inf")},
    "done with minus infinity": DONE | {"objective": float("-inf")},
    "done with a kind": DONE | {"failure_kind": "ERROR"},
    "done without sequence": DONE | {"finish_sequence": None},
    "done without time": DONE | {"finished_at": None},
    "failed without kind": FAILED | {"failure_kind": None},
    "failed with an unknown kind": FAILED | {"failure_kind": "BORED"},
    "failed with objective": FAILED | {"objective": 0.5},
    "running without launcher": RUNNING | {"launcher_id": None},
    "running with an unknown launcher": RUNNING | {"launcher_id": 99},
    "running without attempt": RUNNING | {"attempt": 0},
    "running with a sequence": RUNNING | {"finish_sequence": 1},
    "ready but held": {"launcher_id": 1},
    "an unknown state": {"state": "ASLEEP"},
    "paused nowhere": {"state": "PAUSED"},
    "paused and held": {"state": "PAUSED", "paused_rung": 3, "launcher_id": 1},
    "no cores": {"cores": 0},
    "negative memory": {"memory_gib": -1.0},
    "endless memory": {"memory_gib": float("inf")},
    "no time": {"time_limit_seconds": 0.0},
    "negative failures": {"failures": -1},
    "negative ordinal": {"ordinal": -1},
    "no campaign": {"campaign_id": 99},
}


@pytest.mark.parametrize("values", WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_refused(any_engine: Engine, values: dict[str, Any]) -> None:
    """A mistake in a program must not become a fact."""
    with pytest.raises(IntegrityError), transaction(any_engine) as connection:
        ready_evaluation(connection)
        connection.execute(update(evaluation).values(values))


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (campaign, {"direction": "sideways"}),
        (campaign, {"max_failures": 0}),
        (campaign, {"name": ""}),
        (campaign_progress, {"done": 2}),
        (campaign_progress, {"failed": -1}),
        (campaign_progress, {"search_owner": "host:1:2"}),
        (launcher, {"slots": 0}),
    ],
)
def test_other_tables_refuse_too(any_engine: Engine, table: Any, values: dict[str, Any]) -> None:
    """Counters that lie, and searches without a heartbeat, among them."""
    with pytest.raises(IntegrityError), transaction(any_engine) as connection:
        ready_evaluation(connection)
        connection.execute(update(table).values(values))


def test_a_failed_block_leaves_nothing(any_engine: Engine) -> None:
    """A transaction is whole or not at all."""
    with transaction(any_engine) as connection:
        ready_evaluation(connection)
    with pytest.raises(ZeroDivisionError), transaction(any_engine) as connection:
        taken = claim(connection, 1, 1)
        complete(connection, 1, stock.successes(taken))
        raise ZeroDivisionError
    with transaction(any_engine) as connection:
        assert [one.attempt for one in claim(connection, 1, 1)] == [1]
