"""What is asked all the time must cost the same whatever has finished: the databases' own plans say so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine, event, update

from ambs_hpc.queue import (
    best,
    claim,
    complete,
    counts,
    finished_since,
    has_ready,
    heartbeat,
    live_launchers,
    recent_run_seconds,
    throughput,
    transaction,
)
from ambs_hpc.queue.schema.tables import campaign_progress, evaluation
from ambs_hpc.queue.sql.bulk import insert_rows
from ambs_hpc.records import Resources
from ambs_hpc.states import State
from tests.queue import stock

WRITES_AROUND_THE_VERBS = True

FINISHED = 2_000
CAMPAIGN_ID = 1


@contextmanager
def plans_of(connection: Connection) -> Iterator[list[str]]:
    """The plans of the statements on `evaluation` that run inside the block."""
    plans: list[str] = []
    explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN (COSTS OFF) "

    def look(
        connection: Connection, cursor: object, statement: str, parameters: object, *rest: object
    ) -> None:
        if "evaluation" in statement and statement.startswith(("SELECT", "UPDATE", "WITH")):
            own = connection.connection.cursor()
            first = parameters[0] if parameters and rest[-1] else parameters  # type: ignore[index]
            own.execute(explain + statement, first)
            plans.append("\n".join(str(row[-1]) for row in own.fetchall()))

    event.listen(connection, "before_cursor_execute", look)
    yield plans
    event.remove(connection, "before_cursor_execute", look)


@pytest.fixture
def large(any_engine: Engine) -> Engine:
    """A campaign of which thousands have finished, some run and some wait; the planner has no statistics."""
    with transaction(any_engine) as connection:
        assert stock.campaign(connection).id == CAMPAIGN_ID
        stock.evaluations(connection, CAMPAIGN_ID, 30)
        rows = [finished_row(index) for index in range(FINISHED)]
        insert_rows(connection, evaluation, rows, stamp="created_at")
        connection.execute(
            update(campaign_progress).values(enqueued=FINISHED + 30, done=FINISHED, finish_sequence=FINISHED)
        )
        claim(connection, stock.launcher(connection), 10)
    return any_engine


def finished_row(index: int) -> dict[str, object]:
    return {
        "campaign_id": CAMPAIGN_ID,
        "ordinal": 1000 + index,
        "configuration": {"lr": 0.1},
        "proposal_kind": "design",
        "cores": 1,
        "gpus": 0,
        "memory_gib": 0.0,
        "nodes": 1,
        "ranks_per_node": 1,
        "whole_node": False,
        "priority": 0,
        "state": "DONE",
        "attempt": 1,
        "failures": 0,
        "interruptions": 0,
        "started_at": float(index) - 0.5,
        "finished_at": float(index),
        "finish_sequence": index + 1,
        "objective": float(index),
        "error": "",
        "signature": "",
        "node": "",
    }


POLLS: dict[str, tuple[Callable[[Connection], object], str]] = {
    "claim": (lambda c: claim(c, 1, 5, campaign_ids=[CAMPAIGN_ID], room=Resources()), "ix_evaluation_ready"),
    "has_ready": (lambda c: has_ready(c, time_left_seconds=9.0, campaign_ids=[1]), "ix_evaluation_ready"),
    "counts": (lambda c: counts(c, CAMPAIGN_ID), "ix_evaluation_running"),
    "counts of all": (lambda c: counts(c, None), "ix_evaluation_running"),
    "heartbeat": (lambda c: heartbeat(c, 1), "ix_evaluation_running"),
    "finished_since": (lambda c: finished_since(c, CAMPAIGN_ID, FINISHED - 3), "ix_evaluation_finished"),
    "recent_run_seconds": (lambda c: recent_run_seconds(c, CAMPAIGN_ID, 5), "ix_evaluation_finished"),
    "throughput": (lambda c: throughput(c, CAMPAIGN_ID), "ix_evaluation_finished"),
    "best": (lambda c: best(c, CAMPAIGN_ID, 3), "ix_evaluation_best"),
}


@pytest.mark.parametrize("name", POLLS)
def test_polls_go_through_their_index(large: Engine, name: str) -> None:
    """No poll reads what has finished."""
    ask, index = POLLS[name]
    with transaction(large) as connection, plans_of(connection) as plans:
        assert ask(connection)
    assert any(index in plan for plan in plans), plans
    for plan in plans:
        assert "Seq Scan on evaluation" not in plan, plan
        assert "SCAN evaluation" not in plan.replace(
            "USING COVERING INDEX ix_evaluation_running", "USING"
        ).replace("SCAN evaluation USING", ""), plan
        assert "uq_evaluation_campaign_id_ordinal" not in plan, plan


@pytest.mark.parametrize("analysed", [False, True])
def test_claim_reads_no_more_than_it_takes(any_engine: Engine, analysed: bool) -> None:
    """A long queue must not be sorted at each claim, with or without statistics."""
    with transaction(any_engine) as connection:
        stock.evaluations(connection, stock.campaign(connection).id, 3000)
        if analysed:
            connection.exec_driver_sql("ANALYZE")
        launcher_id = stock.launcher(connection)
        with plans_of(connection) as plans:
            claim(connection, launcher_id, 100)
            claim(connection, launcher_id, 100, campaign_ids=[1, 2], room=Resources(), time_left_seconds=60.0)
    for plan in plans:
        assert "ix_evaluation_ready" in plan
        assert "Sort" not in plan
        assert "TEMP B-TREE" not in plan


def test_endings_are_written_by_id(large: Engine) -> None:
    """A batch of results costs the same however much runs."""
    with transaction(large) as connection:
        taken = claim(connection, 1, 5)
        with plans_of(connection) as plans:
            assert len(complete(connection, 1, stock.successes(taken))) == 5
    for plan in plans:
        assert "Seq Scan on evaluation" not in plan, plan
        assert "SCAN evaluation" not in plan, plan
        assert "ix_evaluation_running" not in plan, plan
        assert "uq_evaluation_campaign_id_ordinal" not in plan, plan


def test_the_kept_counts_are_the_true_ones(large: Engine) -> None:
    """The fixture above wrote around the verbs; it must not prove something else."""
    with transaction(large) as connection:
        by_state = counts(connection, CAMPAIGN_ID)
        assert by_state == {
            **dict.fromkeys(State, 0),
            State.READY: 20,
            State.RUNNING: 10,
            State.DONE: FINISHED,
        }
        assert live_launchers(connection, 60.0)
