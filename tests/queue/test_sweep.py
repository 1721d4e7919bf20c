"""What dead launchers hold goes back to the queue, and what live ones hold does not."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from ambs_hpc.clock import ManualClock
from ambs_hpc.queue import (
    Evidence,
    claim,
    complete,
    counts,
    end_future_heartbeats,
    end_launcher,
    heartbeat,
    held_by_dead,
    holders,
    live_launchers,
    sweep,
    transaction,
)
from ambs_hpc.states import State
from tests.queue import stock

STALE_AFTER_SECONDS = 30.0
FRESH, LATE = 29.0, 31.0


@pytest.mark.parametrize(
    ("age_seconds", "verdict", "is_swept"),
    [
        (FRESH, Evidence.ALIVE, False),
        (FRESH, Evidence.UNKNOWN, False),
        (FRESH, Evidence.GONE, False),
        (FRESH, Evidence.GONE_FOR_CERTAIN, True),
        (LATE, Evidence.ALIVE, False),
        (LATE, Evidence.UNKNOWN, False),
        (LATE, Evidence.GONE, True),
        (LATE, Evidence.GONE_FOR_CERTAIN, True),
        (LATE, None, False),
        (LATE, False, False),
        (FRESH, True, True),
    ],
)
def test_sweep_needs_lateness_and_evidence(
    any_engine: Engine, age_seconds: float, verdict: Evidence | bool | None, is_swept: bool
) -> None:
    """'I could not ask' is not 'it is dead', and late is not dead either."""
    clock = ManualClock()
    with transaction(any_engine.execution_options(clock=clock)) as connection:
        campaign_id = stock.campaign(connection).id
        stock.evaluations(connection, campaign_id, 2)
        launcher_id = stock.launcher(connection)
        held = claim(connection, launcher_id, 1)
        clock.sleep(age_seconds)
        rule = {"stale_after_seconds": STALE_AFTER_SECONDS, "is_gone": lambda one: verdict}
        doomed = held_by_dead(connection, **rule)
        taken = sweep(connection, **rule)
        assert bool(taken) is is_swept
        assert [(one.id, one.attempt, one.launcher_id) for one in taken] == [
            (one.id, one.attempt, one.launcher_id) for one in doomed
        ]
        assert counts(connection, campaign_id)[State.READY] == 1 + is_swept
        left = set() if is_swept else {(one.id, one.attempt) for one in held}
        assert heartbeat(connection, launcher_id) == left


def test_sweep_says_where_results_may_lie(any_engine: Engine) -> None:
    """The next launcher looks there before, and for what came too late, after."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection, max_interruptions=0).id
        stock.evaluations(connection, campaign_id, 1)
        launcher_id = stock.launcher(connection)
        (one,) = claim(connection, launcher_id, 1)
        end_launcher(connection, launcher_id)
        (taken,) = sweep(connection, stale_after_seconds=1e9, is_gone=lambda one: Evidence.ALIVE)
        assert (taken.id, taken.ordinal, taken.attempt) == (one.id, 0, 1)
        assert (taken.run_directory, taken.state) == (stock.CAMPAIGN.run_directory, State.FAILED)


def test_harvested_results_are_not_swept(any_engine: Engine) -> None:
    """A dead launcher's finished results are reported with its id before the sweep."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        stock.evaluations(connection, campaign_id, 2)
        dead = stock.launcher(connection)
        first, second = claim(connection, dead, 2)
        rule = {"stale_after_seconds": 1.0, "is_gone": lambda one: Evidence.GONE_FOR_CERTAIN}
        assert [one.id for one in held_by_dead(connection, **rule)] == [first.id, second.id]
        assert complete(connection, dead, [stock.success(first)]) == [first.id]
        assert [one.id for one in sweep(connection, **rule)] == [second.id]
        assert sweep(connection, **rule) == []


def test_evidence_is_asked_only_about_those_who_hold(any_engine: Engine) -> None:
    """A scheduler is not asked about launchers that hold nothing."""
    with transaction(any_engine) as connection:
        stock.evaluations(connection, stock.campaign(connection).id, 1)
        stock.launcher(connection)
        holder = stock.launcher(connection, allocation_id=None, host="node7")
        claim(connection, holder, 1)
        assert [(one.id, one.identity.host) for one in holders(connection)] == [(holder, "node7")]


def test_live_launchers_are_those_with_a_fresh_heartbeat(any_engine: Engine) -> None:
    """The search counts their slots."""
    clock = ManualClock()
    with transaction(any_engine.execution_options(clock=clock)) as connection:
        silent, beating, ended = (stock.launcher(connection, slots=n) for n in (1, 2, 3))
        clock.sleep(20.0)
        heartbeat(connection, beating)
        end_launcher(connection, ended)
        clock.sleep(15.0)
        (alive,) = live_launchers(connection, STALE_AFTER_SECONDS)
        assert (alive.id, alive.identity.slots, alive.heartbeat_age_seconds) == (beating, 2, 15.0)
        assert len(live_launchers(connection, 60.0)) == 2
        assert silent < beating < ended


def test_silence_counts_from_now_when_the_clock_was_set_back(any_engine: Engine) -> None:
    """Else a dead launcher would hold its evaluations until the clock had caught up."""
    clock = ManualClock()
    with transaction(any_engine.execution_options(clock=clock)) as connection:
        ahead = stock.launcher(connection)
        stock.evaluations(connection, stock.campaign(connection).id, 1)
        claim(connection, ahead, 1)
        clock.sleep(-3600.0)
        end_future_heartbeats(connection, 60.0)
        clock.sleep(20.0)
        assert [one.heartbeat_age_seconds for one in holders(connection)] == [20.0]
        end_future_heartbeats(connection, 60.0)
        assert [one.heartbeat_age_seconds for one in holders(connection)] == [20.0]


def test_the_databases_clock_is_the_default(any_engine: Engine) -> None:
    """Hosts need not agree about the time."""
    with transaction(any_engine) as connection:
        launcher_id = stock.launcher(connection)
        heartbeat(connection, launcher_id)
        (one,) = live_launchers(connection, 5.0)
        assert 0.0 <= one.heartbeat_age_seconds < 5.0
