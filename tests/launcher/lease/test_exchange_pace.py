"""A launcher speaks to its database when there is something to say, and to an empty queue ever less."""

from __future__ import annotations

from ambs_hpc import timing
from ambs_hpc.launcher.lease.exchange_pace import FIRST_ASK_SECONDS, LAST_ASK_SECONDS, ExchangePace
from ambs_hpc.launcher.lease.lease_demand import GATHER_SECONDS


def told(now: float = 0.0) -> ExchangePace:
    """Of a launcher that has just said that it lives, and got all that it asked for."""
    pace = ExchangePace()
    pace.note_exchange(now, gathers=True)
    pace.note_asked(now, 2, 2)
    pace.note_heartbeat(now)
    return pace


def test_an_empty_queue_is_asked_less_and_less_often() -> None:
    """A thousand launchers at the end of a campaign would else keep the database busy with nothing."""
    pace, now, pauses = told(), 0.0, []
    for _ in range(6):
        pace.note_asked(now, 1, 0)
        pauses.append(pace.seconds_until_due(now, asks=True, reports=False, is_stocked=False))
        now += pauses[-1]
    doubled = [2 * FIRST_ASK_SECONDS * 2**index for index in range(6)]
    assert [round(one, 9) for one in pauses] == [round(min(one, LAST_ASK_SECONDS), 9) for one in doubled]


def test_a_queue_that_gave_all_is_asked_again_at_once() -> None:
    """There are probably more."""
    assert told().may_ask(0.0)


def test_endings_are_gathered_while_slots_have_successors() -> None:
    """A commit costs the same for one as for many."""
    pace = told()
    assert pace.is_held_back(0.5 * GATHER_SECONDS, is_stocked=True)
    assert not pace.is_held_back(0.5 * GATHER_SECONDS, is_stocked=False)
    assert not pace.is_held_back(GATHER_SECONDS, is_stocked=True)


def test_nothing_is_said_to_a_database_that_is_away() -> None:
    """It is asked again after a while, whatever waits for it."""
    pace = told()
    pace.note_away(0.0)
    assert pace.is_held_back(0.5 * timing.DATABASE_RETRY_SECONDS, is_stocked=False)
    wait = pace.seconds_until_due(0.0, asks=True, reports=True, is_stocked=False)
    assert wait == timing.DATABASE_RETRY_SECONDS
    assert not pace.is_held_back(timing.DATABASE_RETRY_SECONDS, is_stocked=False)


def test_a_busy_launcher_waits_for_its_heartbeat() -> None:
    """It wakes for nothing else."""
    pace = told()
    wait = pace.seconds_until_due(0.0, asks=False, reports=False, is_stocked=False)
    assert wait == timing.LAUNCHER_HEARTBEAT_SECONDS
    assert not pace.is_heartbeat_due(wait - 1.0, 0.0)
    assert pace.is_heartbeat_due(wait - 1.0, 1.0)


def test_dead_launchers_are_looked_for_once_in_a_period() -> None:
    """Every launcher does it for all."""
    pace = told()
    late = timing.SWEEP_SECONDS
    assert [pace.take_sweep(now) for now in (0.0, late - 1.0, late)] == [True, False, True]
