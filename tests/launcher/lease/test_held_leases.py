"""An attempt that a launcher holds is in one place, and leaves it for the queue or for nobody."""

from __future__ import annotations

from ambs_hpc.launcher.executors.protocol import Interrupted
from ambs_hpc.launcher.lease.held_leases import UNCONFIRMED, HeldLeases
from ambs_hpc.records import Claim, Resources


def claim(evaluation_id: int, attempt: int = 1) -> Claim:
    return Claim(evaluation_id, 1, "c", evaluation_id, attempt, "token", {}, Resources(), None)


def holding(waiting: list[Claim], running: list[Claim]) -> HeldLeases:
    leases = HeldLeases()
    leases.add([*running, *waiting])
    for one in running:
        leases.start(one)
    return leases


def stopped(one: Claim) -> Interrupted:
    return Interrupted(one.id, one.attempt, "stopped")


def test_an_attempt_is_held_until_the_queue_has_recorded_its_end() -> None:
    """A launcher that left while something had to be recorded would lose it."""
    leases, one = HeldLeases(), claim(1)
    leases.add([one])
    leases.start(one)
    assert leases.take_ended(1, 1) == one
    leases.report(stopped(one))
    assert not leases.occupies_slots
    assert not leases.is_empty
    leases.note_recorded([stopped(one)], [])
    assert leases.is_empty


def test_what_ended_while_the_queue_was_told_is_told_next() -> None:
    """A call to the database may take minutes; what ends meanwhile is no part of it."""
    leases = holding([], [claim(1), claim(2)])
    leases.report(stopped(claim(1)))
    told = leases.ended
    leases.report(stopped(claim(2)))
    leases.note_recorded(told, [])
    assert leases.ended == [stopped(claim(2))]


def test_what_is_given_back_was_never_started() -> None:
    """It counts against no budget."""
    leases = holding([claim(1), claim(2)], [])
    leases.give_back(claim(2), "never fits")
    assert leases.waiting == [claim(1)]
    assert leases.ended == [Interrupted(2, 1, "never fits", started=False)]


def test_a_former_attempt_leaves_before_its_successor_starts() -> None:
    """Two attempts of one evaluation would write into each other's checkpoints."""
    leases = holding([], [claim(1), claim(2)])
    assert leases.withdraw({1}) == [1]
    leases.add([claim(1, attempt=2)])
    assert leases.is_leaving(1)
    assert leases.running == {2: claim(2)}
    assert leases.take_ended(1, 1) is None
    assert not leases.is_leaving(1)
    assert leases.waiting == [claim(1, attempt=2)]


def test_the_queue_says_what_is_held() -> None:
    """It may have taken some, and given others by a commit of which the answer was lost."""
    leases = holding([claim(1), claim(2)], [claim(3), claim(4)])
    leases.report(stopped(claim(5)))
    assert leases.compare({(1, 1), (3, 1), (5, 1), (6, 2)}) == [4]
    assert leases.waiting == [claim(1)]
    assert leases.running == {3: claim(3)}
    assert leases.is_leaving(4)
    assert leases.ended == [stopped(claim(5)), Interrupted(6, 2, UNCONFIRMED, started=False)]
