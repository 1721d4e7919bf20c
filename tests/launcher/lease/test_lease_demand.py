"""A launcher leases what its slots can use soon, and leaves the rest to others."""

from __future__ import annotations

from ambs_hpc.launcher.lease.lease_demand import AHEAD_PER_SLOT_AT_MOST, LeaseDemand
from ambs_hpc.records import Claim, Resources

CLAIM = Claim(1, 1, "c", 0, 1, "token", {}, Resources(cores=2), None)


def demand_of(seconds: float | None = None, running: int = 4) -> LeaseDemand:
    """Of a launcher that has seen evaluations of two cores, so many at once, each of so many seconds."""
    demand = LeaseDemand()
    demand.note_leased([CLAIM])
    demand.note_running(running)
    if seconds is not None:
        demand.note_run(seconds)
    return demand


def free(number: int) -> dict[Resources, int]:
    return {CLAIM.resources: number}


def test_the_first_lease_tells_how_large_evaluations_are() -> None:
    """Many leased on a guess would wait here, and could run elsewhere."""
    assert LeaseDemand().wanted(0, free(4).__getitem__, has_room=True) == 1


def test_long_ones_are_leased_for_free_slots_alone() -> None:
    """What waits here for an hour could run in another allocation."""
    demand = demand_of(seconds=60.0)
    assert demand.wanted(0, free(3).__getitem__, has_room=True) == 3
    assert demand.wanted(2, free(3).__getitem__, has_room=True) == 1
    assert demand.wanted(0, free(0).__getitem__, has_room=False) == 0


def test_short_ones_are_leased_ahead_of_their_slots() -> None:
    """Slots would wait for a commit each."""
    assert demand_of(seconds=0.5).wanted(0, free(0).__getitem__, has_room=False) == 4
    shortest = demand_of(seconds=0.0).wanted(0, free(0).__getitem__, has_room=False)
    assert shortest == 4 * AHEAD_PER_SLOT_AT_MOST


def test_another_shape_is_tried_where_the_usual_one_does_not_fit() -> None:
    """Slots that are left over would be idle to the end."""
    assert demand_of(seconds=60.0).wanted(0, free(0).__getitem__, has_room=True) == 1


def test_slots_go_on_while_half_of_them_have_a_successor() -> None:
    """So long endings are gathered for one commit."""
    demand = demand_of(running=4)
    assert [demand.is_met_by(waiting) for waiting in (1, 2)] == [False, True]
