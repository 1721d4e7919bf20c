"""A campaign's counters, and the lock under which its evaluations end.

Why a lock: the search reads endings by a cursor, `finish_sequence > last seen`. Numbers from a database
sequence are handed out before commit, so that 8 may be seen before 7 is committed, and 7 would never be
read. Here a number is taken by updating the campaign's row in `campaign_progress`, which keeps other endings
of the campaign out until commit: numbers become visible in their order. (Comparing transaction ids with the
oldest running one would need no lock, but any forgotten transaction in the database would stop the search.)

Locks are taken in this order: progress rows by campaign id, then evaluations. A transaction that both reports
results and claims therefore reports first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Select, bindparam, func, select, true, update

from ambs_hpc.queue.schema.tables import campaign_progress, evaluation, is_running, unindexed
from ambs_hpc.queue.sql.bulk import listed, listed_value
from ambs_hpc.states import State

_COUNTERS = {
    State.DONE: "done",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
    State.PAUSED: "paused",
}


def lock_campaigns_of(connection: Connection, ids: Iterable[int]) -> None:
    """Lock the campaigns of these evaluations, in the order that all take.

    A transaction that reports by several verbs begins with it: each of them locks the campaigns of its own
    evaluations alone, so that two launchers could wait for each other in a circle. One verb alone does it.
    """
    wanted = list(ids)
    if len(wanted) > 1:
        CounterChanges.of_evaluations(connection, wanted)


class CounterChanges:
    """The sequence numbers that one verb hands out, and the counters that it changes."""

    def __init__(self, last_numbers: dict[int, int]) -> None:
        self._last = last_numbers
        self._changes: dict[int, Counter[State]] = {campaign_id: Counter() for campaign_id in last_numbers}

    @classmethod
    def of_evaluations(cls, connection: Connection, ids: Iterable[int]) -> CounterChanges:
        """Lock the campaigns of these evaluations."""
        dialect = connection.dialect.name
        rows = connection.execute(_locking_by_ids(dialect), {"ids": listed_value(dialect, ids)})
        return cls({row.campaign_id: row.finish_sequence for row in rows})

    @classmethod
    def of_campaign(cls, connection: Connection, campaign_id: int | None) -> CounterChanges:
        """Lock one campaign, or all of them."""
        which = true() if campaign_id is None else campaign_progress.c.campaign_id == campaign_id
        rows = connection.execute(_locking(which))
        return cls({row.campaign_id: row.finish_sequence for row in rows})

    def number(self, campaign_id: int, state: State, before: State) -> int:
        """The finish sequence of an evaluation that moves from `before` to the final `state`."""
        self._last[campaign_id] += 1
        self._changes[campaign_id][state] += 1
        self._changes[campaign_id][before] -= 1
        return self._last[campaign_id]

    def reopen(self, campaign_id: int, before: State) -> None:
        """An evaluation leaves `before`, a final state or PAUSED."""
        self._changes[campaign_id][before] -= 1

    def pause(self, campaign_id: int) -> None:
        """An evaluation becomes PAUSED."""
        self._changes[campaign_id][State.PAUSED] += 1

    def save(self, connection: Connection) -> None:
        """Write the numbers and counters that changed."""
        rows = [
            {
                "id": campaign_id,
                "last": self._last[campaign_id],
                **{f"add_{s.value}": changes[s] for s in _COUNTERS},
            }
            for campaign_id, changes in self._changes.items()
            if changes
        ]
        if rows:
            connection.execute(_SAVE, rows)


_SAVE = (
    update(campaign_progress)
    .where(campaign_progress.c.campaign_id == bindparam("id"))
    .values(
        finish_sequence=bindparam("last"),
        **{
            name: campaign_progress.c[name] + bindparam(f"add_{state.value}", type_=Integer)
            for state, name in _COUNTERS.items()
        },
    )
)


@cache
def _locking_by_ids(dialect: str) -> Select[Any]:
    of = select(unindexed(evaluation.c.campaign_id)).where(listed(dialect, evaluation.c.id, "ids"))
    return _locking(campaign_progress.c.campaign_id.in_(of))


def _locking(which: ColumnElement[bool]) -> Select[Any]:
    progress = campaign_progress
    # In order of ids: two that end evaluations of the same two campaigns must not wait in a circle.
    return (
        select(progress.c.campaign_id, progress.c.finish_sequence)
        .where(which)
        .order_by(progress.c.campaign_id)
        .with_for_update(of=progress, key_share=True)
    )


def add_enqueued(connection: Connection, campaign_id: int, number: int, by_people: int) -> None:
    """Add new evaluations to the campaign's counter; `by_people` of them are no proposals of its search."""
    connection.execute(
        update(campaign_progress)
        .where(campaign_progress.c.campaign_id == campaign_id)
        .values(enqueued=campaign_progress.c.enqueued + number, added=campaign_progress.c.added + by_people)
    )


def counts(connection: Connection, campaign_id: int | None = None) -> dict[State, int]:
    """Evaluations by state, of one campaign or of all; every state is a key. Imported results do not count.

    Costs the same whatever has finished and whatever waits: final states and PAUSED are counted when they are
    reached, RUNNING is counted through its own small index, and READY is what remains.
    """
    parameters = {} if campaign_id is None else {"campaign": campaign_id}
    row = connection.execute(_counting(bool(parameters)), parameters).one()
    enqueued, done, failed, cancelled, paused, running = (int(each) for each in row)
    return {
        State.READY: enqueued - done - failed - cancelled - paused - running,
        State.RUNNING: running,
        State.PAUSED: paused,
        State.DONE: done,
        State.FAILED: failed,
        State.CANCELLED: cancelled,
    }


@cache
def _counting(of_one_campaign: bool) -> Select[Any]:
    progress = campaign_progress.c
    running = select(func.count()).where(is_running)
    sums = [func.coalesce(func.sum(progress[name]), 0) for name in ("enqueued", *_COUNTERS.values())]
    if not of_one_campaign:
        return select(*sums, running.scalar_subquery())
    wanted = bindparam("campaign", type_=Integer())
    running = running.where(unindexed(evaluation.c.campaign_id) == wanted)
    return select(*sums, running.scalar_subquery()).where(progress.campaign_id == wanted)
