"""A finished result is never thrown away, and never counted twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Connection, Engine, select

from ambs_hpc.identity import new_uid
from ambs_hpc.queue import (
    Evidence,
    cancel,
    claim,
    complete,
    counts,
    fail,
    finished_since,
    heartbeat,
    release,
    rerun,
    sweep,
    transaction,
)
from ambs_hpc.queue.schema.tables import evaluation
from ambs_hpc.records import Claim, Launcher
from ambs_hpc.states import State
from tests.queue import stock
from tests.queue.test_life import moves


def swept(connection: Connection, **budgets: int) -> tuple[int, int, Claim]:
    """A campaign, and a launcher that was presumed dead while it ran its one evaluation."""
    campaign_id = stock.campaign(connection, **budgets).id
    stock.evaluations(connection, campaign_id, 1)
    presumed_dead = stock.launcher(connection)
    (one,) = claim(connection, presumed_dead, 1)
    sweep(connection, stale_after_seconds=60.0, is_gone=only(presumed_dead))
    return campaign_id, presumed_dead, one


def only(dead: int) -> Callable[[Launcher], Evidence]:
    """Evidence that one launcher is gone for certain."""
    return lambda one: Evidence.GONE_FOR_CERTAIN if one.id == dead else Evidence.ALIVE


def test_late_result_is_accepted_while_its_successor_waits(any_engine: Engine) -> None:
    """The evaluation need not run again."""
    with transaction(any_engine) as connection:
        campaign_id, presumed_dead, one = swept(connection)
        assert complete(connection, presumed_dead, [stock.success(one, 0.25)]) == [one.id]
        assert counts(connection, campaign_id)[State.DONE] == 1
        assert claim(connection, presumed_dead, 1) == []
        assert [move for move, _ in moves(connection, one.id)] == ["enqueue", "claim", "sweep", "accept_late"]


def test_late_result_displaces_a_running_successor(any_engine: Engine) -> None:
    """The successor's launcher sees at its heartbeat that it may stop, and its own result changes nothing."""
    with transaction(any_engine) as connection:
        campaign_id, presumed_dead, one = swept(connection)
        other = stock.launcher(connection)
        (again,) = claim(connection, other, 1)
        assert complete(connection, presumed_dead, [stock.success(one, 0.25)]) == [one.id]
        assert heartbeat(connection, other) == set()
        assert complete(connection, other, [stock.success(again, 0.75)]) == []
        assert [row.objective for row in finished_since(connection, campaign_id, 0)] == [0.25]


def test_late_result_loses_against_a_successor_that_ended(any_engine: Engine) -> None:
    """Every evaluation has one result."""
    with transaction(any_engine) as connection:
        campaign_id, presumed_dead, one = swept(connection)
        other = stock.launcher(connection)
        (again,) = claim(connection, other, 1)
        assert complete(connection, other, [stock.success(again, 0.75)]) == [one.id]
        assert complete(connection, presumed_dead, [stock.success(one, 0.25)]) == []
        assert [row.objective for row in finished_since(connection, campaign_id, 0)] == [0.75]


def test_late_result_revives_what_was_lost(any_engine: Engine) -> None:
    """LOST means that no result came; the search reads the change."""
    with transaction(any_engine) as connection:
        campaign_id, presumed_dead, one = swept(connection, max_interruptions=0)
        assert counts(connection, campaign_id)[State.FAILED] == 1
        assert complete(connection, presumed_dead, [stock.success(one)]) == [one.id]
        by_state = counts(connection, campaign_id)
        assert (by_state[State.FAILED], by_state[State.DONE]) == (0, 1)
        assert [row.sequence for row in finished_since(connection, campaign_id, 1)] == [2]


def test_late_failure_is_ignored(any_engine: Engine) -> None:
    """A dead machine's errors say nothing about the evaluation."""
    with transaction(any_engine) as connection:
        campaign_id, presumed_dead, one = swept(connection)
        assert fail(connection, presumed_dead, [stock.failure(one)]) == []
        assert counts(connection, campaign_id)[State.READY] == 1


def test_a_released_attempt_may_still_deliver(any_engine: Engine) -> None:
    """At walltime an evaluation may write its result while its launcher releases it."""
    with transaction(any_engine) as connection:
        stock.evaluations(connection, stock.campaign(connection).id, 1)
        mine = stock.launcher(connection)
        (one,) = claim(connection, mine, 1)
        release(connection, mine, [(one.id, 1)], interrupted=True, reason="walltime")
        assert complete(connection, mine, [stock.success(one)]) == [one.id]


def cancelled(connection: Connection, dead: int, one: Claim) -> None:
    cancel(connection, ids=[one.id])


def rerun_since(connection: Connection, dead: int, one: Claim) -> None:
    cancel(connection, ids=[one.id])
    rerun(connection, ids=[one.id])


def failed_since(connection: Connection, dead: int, one: Claim) -> None:
    other = stock.launcher(connection)
    for _ in range(2):
        (again,) = claim(connection, other, 1)
        fail(connection, other, [stock.failure(again)])


@pytest.mark.parametrize("meanwhile", [cancelled, rerun_since, failed_since])
def test_late_result_does_not_overrule(
    any_engine: Engine, meanwhile: Callable[[Connection, int, Claim], None]
) -> None:
    """A person's cancel or rerun (perhaps of a corrected program), and a failure of its own, stand."""
    with transaction(any_engine) as connection:
        _, presumed_dead, one = swept(connection)
        meanwhile(connection, presumed_dead, one)
        before = connection.execute(select(evaluation)).one()
        assert complete(connection, presumed_dead, [stock.success(one)]) == []
        assert connection.execute(select(evaluation)).one() == before


def test_a_stranger_cannot_deliver_late(any_engine: Engine) -> None:
    """Only what carries the token of the claim counts, whoever brings it."""
    with transaction(any_engine) as connection:
        _, presumed_dead, one = swept(connection)
        stranger = replace(one, token=f"{new_uid()}.{one.id}")
        assert complete(connection, presumed_dead, [stock.success(stranger)]) == []
        assert complete(connection, stock.launcher(connection), [stock.success(one)]) == [one.id]
