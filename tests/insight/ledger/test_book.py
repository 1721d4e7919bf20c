"""The ledger adds up to nodes times elapsed, whatever became of an allocation and its launchers."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import pytest

from ambs_hpc.insight.ledger.book import Ledger, ledger_of
from ambs_hpc.insight.ledger.uses import WORDS_OF_ATTEMPTS, Use
from ambs_hpc.queue import (
    AllocationTimes,
    AttemptUse,
    IdleSince,
    LauncherLife,
    LauncherNode,
    NodeFailure,
    SlotAccount,
)

Row = TypeVar("Row", AllocationTimes, LauncherLife, IdleSince, NodeFailure, AttemptUse)

ALLOCATION = AllocationTimes(
    1, "polaris", "pbs", "41207", {"nodes": 2}, "ENDED", 100.0, 460.0, 400.0, 400.0, None
)
LAUNCHER = LauncherLife(5, "n1", 1, 8, 120.0, 390.0, 390.0, "ended (idle)", "")
NODES = [LauncherNode(5, name, 4, 0, None, None) for name in ("n1", "n2")]
ATTEMPT = AttemptUse(1, 1, "net", 5, "n1", "complete", "", 150.0, 250.0, 4, 0, 0.0, 1, False)
ROWS = SlotAccount(1000.0, [ALLOCATION], [LAUNCHER], NODES, [], [], [ATTEMPT])


T0 = 1_800_000_000.0  # as times really are: beside it a nanosecond is nothing
TIMES = {"started_at", "ends_at", "ended_at", "told_ended_at", "heartbeat_at", "finished_at", "at"}


def later(row: Row) -> Row:
    """The row with all its times in this century."""
    moved = {name: getattr(row, name) for name in TIMES & {*row._fields} if getattr(row, name) is not None}
    changed: dict[str, object] = {name: value + T0 for name, value in moved.items()}
    if isinstance(row, AllocationTimes) and row.held:
        changed["held"] = [[a + T0, b if b is None else b + T0, *rest] for a, b, *rest in row.held]
    return row._replace(**changed)


def book_of(rows: SlotAccount) -> Ledger:
    found = ledger_of(rows, 60.0, lambda _one: True)
    assert sum(one.seconds for one in found.entries) == pytest.approx(found.node_seconds, rel=1e-12)
    tables = ("allocations", "launchers", "idleness", "failures", "attempts")
    moved = {name: [later(row) for row in getattr(rows, name)] for name in tables}
    real = ledger_of(replace(rows, now=rows.now + T0, **moved), 60.0, lambda _one: True)
    assert uses(real) == pytest.approx(uses(found), abs=1e-4)
    return found


def uses(book: Ledger) -> dict[Use, float]:
    found: dict[Use, float] = {}
    for one in book.entries:
        found[one.use] = found.get(one.use, 0.0) + one.seconds
    return found


def test_an_allocation_from_start_to_end() -> None:
    """Two nodes of 300 s: the script starts, one node works, reasons change, the launcher ends."""
    idleness = [
        IdleSince(5, 130.0, "busy"),
        IdleSince(5, 200.0, "search_thinks"),
        IdleSince(5, 380.0, "draining"),
    ]
    book = book_of(replace(ROWS, idleness=idleness))
    assert book.node_seconds == 600.0
    assert uses(book) == pytest.approx(
        {
            Use.USEFUL: 100.0,
            Use.START_UP: 50.0 + 100.0,  # on n2 nothing had begun when the search was waited for
            Use.SEARCH_THINKS: (380.0 - 250.0) + (380.0 - 200.0),
            Use.WIND_DOWN: 20.0 + 20.0,
        }
    )
    assert {one.campaign for one in book.entries if one.use is Use.USEFUL} == {"net"}


def test_a_dead_launcher_counts_to_its_last_sign_of_life() -> None:
    """It was killed at 300; the allocation went on to 400, and what it ran had been swept."""
    dead = LAUNCHER._replace(heartbeat_at=300.0, ended_at=None, idle="")
    swept = ATTEMPT._replace(move="sweep", detail="launcher died", finished_at=300.0)
    found = uses(book_of(replace(ROWS, launchers=[dead], attempts=[swept])))
    assert found[Use.LAUNCHER_DEAD] == 200.0
    assert found[Use.LOST] == 150.0


def test_what_a_dead_launcher_held_is_lost_before_anybody_has_swept_it() -> None:
    """Its row says RUNNING for as long as nobody has looked."""
    dead = LAUNCHER._replace(heartbeat_at=300.0, ended_at=None)
    held = ATTEMPT._replace(move="", finished_at=None)
    assert uses(book_of(replace(ROWS, launchers=[dead], attempts=[held])))[Use.LOST] == 150.0


def test_an_allocation_that_runs_counts_to_the_present() -> None:
    """Its launcher lives, and its attempt runs."""
    running = ALLOCATION._replace(state="RUNNING", ended_at=None, told_ended_at=None, ends_at=None)
    lives = LAUNCHER._replace(ended_at=None, heartbeat_at=999.0)
    held = ATTEMPT._replace(move="", finished_at=None)
    book = book_of(replace(ROWS, allocations=[running], launchers=[lives], attempts=[held]))
    assert book.node_seconds == 2 * 900.0
    assert uses(book)[Use.RUNNING] == 850.0


@pytest.mark.parametrize(
    ("launcher", "attempt", "use"),
    [
        ({"idle": "ended (time limit); draining"}, {"move": "release", "detail": "stopped"}, Use.WALLTIME),
        ({"idle": "ended (stopped)"}, {"move": "release", "detail": "stopped"}, Use.STOPPED),
        ({}, {"move": "release", "detail": "supervising process died"}, Use.LOST),
        ({"ended_at": None}, {"move": "sweep", "finished_at": 399.0}, Use.LOST),
        ({}, {"move": "retry"}, Use.RETRIED),
        ({}, {"move": "fail"}, Use.FAILED),
        ({}, {"move": "cancel"}, Use.CANCELLED),
        ({}, {"move": "accept_late"}, Use.USEFUL),
        ({}, {"move": "pause"}, Use.PAUSED),
    ],
)
def test_every_ending_of_an_attempt_has_its_use(
    launcher: dict[str, object], attempt: dict[str, object], use: Use
) -> None:
    """What paid off, what did not, and why."""
    rows = replace(
        ROWS,
        launchers=[LAUNCHER._replace(**launcher)],  # type: ignore[arg-type]
        attempts=[ATTEMPT._replace(**attempt)],  # type: ignore[arg-type]
    )
    assert use in uses(book_of(rows))


def test_a_launcher_killed_at_the_walltime_loses_to_the_walltime() -> None:
    """The scheduler's KILL leaves no word of the launcher's own."""
    at_end = ALLOCATION._replace(ends_at=400.0)
    dead = LAUNCHER._replace(ended_at=None, heartbeat_at=399.0)
    swept = ATTEMPT._replace(move="sweep", finished_at=399.0)
    assert Use.WALLTIME in uses(
        book_of(replace(ROWS, allocations=[at_end], launchers=[dead], attempts=[swept]))
    )


def test_nodes_that_the_launcher_does_not_use_are_left_out() -> None:
    """One of three was out of service: its name is not known, its hours are paid for."""
    three = ALLOCATION._replace(request={"nodes": 3})
    found = uses(book_of(replace(ROWS, allocations=[three])))
    assert found[Use.LEFT_OUT] == 270.0


def test_a_node_in_trouble_is_told_until_something_begins_there_again() -> None:
    """It failed at 260 and was used again at 300."""
    again = ATTEMPT._replace(evaluation_id=2, started_at=300.0, finished_at=350.0)
    rows = replace(ROWS, failures=[NodeFailure(5, "n1", 260.0)], attempts=[ATTEMPT, again])
    assert uses(book_of(rows))[Use.NODE_TROUBLE] == 40.0


def test_allocations_that_never_ran_cost_nothing_and_empty_ones_all() -> None:
    """One waits; in the other no launcher ever started."""
    waits = ALLOCATION._replace(id=2, state="QUEUED", started_at=None, ended_at=None, told_ended_at=None)
    book = book_of(replace(ROWS, allocations=[ALLOCATION, waits], launchers=[], nodes=[], attempts=[]))
    assert uses(book) == {Use.NO_LAUNCHER: 600.0}
    assert len(book.holdings) == 1


def test_an_end_that_nobody_saw_is_that_of_the_last_launcher() -> None:
    """Somebody looked an hour later: that hour was not charged, and the end is said to be unknown."""
    unseen = ALLOCATION._replace(state="VANISHED", ended_at=4000.0, told_ended_at=None, ends_at=3700.0)
    (holding,) = book_of(replace(ROWS, allocations=[unseen])).holdings
    assert (holding.end, holding.is_end_told) == (390.0, False)


def test_launchers_by_hand_hold_their_own_node() -> None:
    """`ambs run` on a workstation has a ledger, too; a launcher of a Balsam site has none."""
    by_hand = LAUNCHER._replace(allocation_id=None)
    balsam = LAUNCHER._replace(id=6, allocation_id=None, survives_in="balsam s")
    rows = replace(ROWS, allocations=[], launchers=[by_hand, balsam], nodes=NODES[:1])
    book = book_of(rows)
    assert book.node_seconds == 270.0
    assert [one.launcher_id for one in book.holdings] == [5]
    assert "1 launchers of Balsam sites" in book.left_out[0]


def test_campaigns_of_one_launcher_have_their_shares_and_idleness_has_nobody() -> None:
    """Side by side on one node, each in half of it; the other node belongs to nobody."""
    half = ATTEMPT._replace(cores=2)
    other = half._replace(evaluation_id=2, campaign="tree")
    book = book_of(replace(ROWS, attempts=[half, other]))
    spent = {one.campaign: one.seconds for one in book.entries if one.use is Use.USEFUL}
    assert spent == pytest.approx({"net": 50.0, "tree": 50.0})
    assert all(one.campaign is None for one in book.entries if one.use not in WORDS_OF_ATTEMPTS)


def test_a_clock_that_was_set_back_takes_nothing_from_the_sum() -> None:
    """A launcher by hand whose last sign is before its start has held nothing, and not less than that."""
    back = LAUNCHER._replace(allocation_id=None, heartbeat_at=50.0, ended_at=50.0)
    assert book_of(SlotAccount(1000.0, [], [back], NODES, [], [], [])).node_seconds == 0.0
    silent = back._replace(ended_at=None)
    assert book_of(SlotAccount(1000.0, [], [silent], NODES, [], [], [])).node_seconds == 0.0


def test_a_node_that_failed_is_not_held_any_longer() -> None:
    """Slurm takes it from the allocation, and charges for the others alone."""
    held = [[100.0, 200.0, 2, ["n1", "n2"]], [200.0, 400.0, 1, ["n1"]]]
    book = book_of(replace(ROWS, allocations=[ALLOCATION._replace(held=held)]))
    assert book.node_seconds == 2 * 100.0 + 200.0
    by_node = {name: sum(one.seconds for one in book.entries if one.node == name) for name in ("n1", "n2")}
    assert by_node == {"n1": 300.0, "n2": 100.0}
    assert uses(book)[Use.USEFUL] == 100.0
    other = [[100.0, 200.0, 2, ["nid1", "nid2"]], [200.0, None, 1, ["nid1"]]]  # names that no launcher told
    assert book_of(replace(ROWS, allocations=[ALLOCATION._replace(held=other)])).node_seconds == 400.0


def test_one_that_was_put_back_into_the_queue_held_nothing_meanwhile() -> None:
    """It ran from 100 to 160 on n1 and n2, and from 300 on n3 and n4; each has a launcher."""
    first = LAUNCHER._replace(started_at=110.0, heartbeat_at=160.0, ended_at=160.0)
    again = LAUNCHER._replace(id=6, started_at=310.0)
    nodes = [*NODES, *(LauncherNode(6, name, 4, 0, None, None) for name in ("n3", "n4"))]
    attempt = ATTEMPT._replace(started_at=120.0, finished_at=150.0)
    rows = replace(ROWS, launchers=[first, again], nodes=nodes, attempts=[attempt])
    held = [[100.0, 160.0, 2, ["n1", "n2"]], [300.0, 400.0, 2, ["n3", "n4"]]]
    told = book_of(replace(rows, allocations=[ALLOCATION._replace(held=held)]))
    assert told.node_seconds == 2 * 60.0 + 2 * 100.0
    assert uses(told)[Use.START_UP] == 20.0 + 60.0 + 2 * 90.0  # nothing ever began on n2, n3 and n4
    assert (told.holdings[0].start, told.holdings[0].end) == (100.0, 400.0)
    # Before the accounting was asked the scheduler's start is that of the second run.
    heard = book_of(replace(rows, allocations=[ALLOCATION._replace(started_at=300.0)]))
    assert heard.node_seconds == 2 * 50.0 + 2 * 100.0
