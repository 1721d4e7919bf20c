"""A successor takes over what a Balsam site still runs, and no other launcher gets it meanwhile."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from ambs_hpc.clock import ManualClock
from ambs_hpc.queue import (
    Evidence,
    adopt,
    claim,
    complete,
    counts,
    ended_attempts,
    fail,
    heartbeat,
    held,
    held_by_dead,
    release,
    sweep,
    transaction,
)
from ambs_hpc.records import Launcher
from ambs_hpc.states import State
from ambs_hpc.timing import SURVIVOR_SILENCE_SECONDS
from tests.queue import stock

SITE = "balsam theta"


def gone(_launcher: Launcher) -> Evidence:
    return Evidence.GONE_FOR_CERTAIN


def unknown(_launcher: Launcher) -> Evidence:
    return Evidence.UNKNOWN


def test_successor_holds_the_same_attempts(any_engine: Engine) -> None:
    """What either of them reports is the attempt's own result, and is stored once."""
    with transaction(any_engine) as connection:
        stock.evaluations(connection, stock.campaign(connection).id, 3)
        first = stock.launcher(connection, survives_in=SITE)
        claims = claim(connection, first, 2)
        second = stock.launcher(connection, survives_in=SITE)
        assert adopt(connection, second, stale_after_seconds=30.0, is_gone=gone) == claims
        again = adopt(connection, second, stale_after_seconds=30.0, is_gone=gone)
        assert again == claims, "the answer of the commit was lost"
        assert [(one.id, one.attempt, one.launcher_id) for one in held(connection)] == [
            (one.id, one.attempt, second) for one in claims
        ]
        assert complete(connection, first, [stock.success(claims[0])]) == [claims[0].id]
        assert complete(connection, second, [stock.success(one) for one in claims]) == [claims[1].id]
        assert held(connection) == []


@pytest.mark.parametrize("objective", [0.5, None], ids=["done", "failed"])
def test_an_adopted_attempt_may_be_reported_by_its_first_launcher(
    any_engine: Engine, objective: float | None
) -> None:
    """It was only silent for a while: the number is that of the very attempt that the successor holds."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection, max_failures=1).id
        stock.evaluations(connection, campaign_id, 1)
        first = stock.launcher(connection, survives_in=SITE)
        (one,) = claim(connection, first, 1)
        second = stock.launcher(connection, survives_in=SITE)
        assert adopt(connection, second, stale_after_seconds=30.0, is_gone=gone) == [one]
        if objective is None:
            assert fail(connection, first, [stock.failure(one)]) == [(one.id, State.FAILED)]
        else:
            assert complete(connection, first, [stock.success(one, objective)]) == [one.id]
        assert complete(connection, second, [stock.success(one)]) == []
        assert heartbeat(connection, second) == set()


def test_attempts_that_ended_by_themselves(any_engine: Engine) -> None:
    """DONE, failed or to be retried; not those that were released."""
    with transaction(any_engine) as connection:
        stock.evaluations(connection, stock.campaign(connection, max_failures=1).id, 4)
        launcher = stock.launcher(connection)
        done, failed, released, runs = claim(connection, launcher, 4)
        complete(connection, launcher, [stock.success(done)])
        fail(connection, launcher, [stock.failure(failed)])
        release(connection, launcher, [(released.id, 1)], interrupted=True, reason="walltime")
        ids = [one.id for one in (done, failed, released, runs)]
        assert ended_attempts(connection, ids) == {(done.id, 1), (failed.id, 1)}
        assert ended_attempts(connection, [runs.id]) == set()


def test_others_take_over_nothing(any_engine: Engine) -> None:
    """A launcher of another site or of none takes over nothing, and nobody takes from a live launcher."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        stock.evaluations(connection, campaign_id, 3)
        claim(connection, stock.launcher(connection, survives_in=SITE), 1)
        claim(connection, stock.launcher(connection), 1)
        rule = {"stale_after_seconds": 30.0}
        elsewhere = stock.launcher(connection, survives_in="balsam cooley")
        plain = stock.launcher(connection)
        successor = stock.launcher(connection, survives_in=SITE)
        assert adopt(connection, elsewhere, is_gone=gone, **rule) == []
        assert adopt(connection, plain, is_gone=gone, **rule) == []
        assert adopt(connection, successor, is_gone=unknown, **rule) == []
        assert adopt(connection, successor, is_gone=gone, campaign_ids=[campaign_id + 1], **rule) == []
        assert len(adopt(connection, successor, is_gone=gone, campaign_ids=[campaign_id], **rule)) == 1


def test_nobody_sweeps_what_runs_on(any_engine: Engine) -> None:
    """Results on disk are read at once; the rest waits for a successor, up to a limit."""
    clock = ManualClock()
    with transaction(any_engine.execution_options(clock=clock)) as connection:
        campaign_id = stock.campaign(connection).id
        stock.evaluations(connection, campaign_id, 2)
        claim(connection, stock.launcher(connection, survives_in=SITE), 2)
        rule = {"stale_after_seconds": 30.0, "is_gone": gone}
        assert len(held_by_dead(connection, **rule)) == 2
        assert sweep(connection, **rule) == []
        clock.sleep(SURVIVOR_SILENCE_SECONDS + 1)
        assert len(sweep(connection, **rule)) == 2
        assert counts(connection, campaign_id)[State.READY] == 2


def test_silent_launcher_of_another_host_is_succeeded(any_engine: Engine) -> None:
    """Its process cannot be asked about; after a long silence it counts as dead."""
    clock = ManualClock()
    with transaction(any_engine.execution_options(clock=clock)) as connection:
        stock.evaluations(connection, stock.campaign(connection).id, 1)
        claim(connection, stock.launcher(connection, survives_in=SITE), 1)
        clock.sleep(SURVIVOR_SILENCE_SECONDS + 1)
        successor = stock.launcher(connection, survives_in=SITE)
        assert len(adopt(connection, successor, stale_after_seconds=30.0, is_gone=unknown)) == 1
