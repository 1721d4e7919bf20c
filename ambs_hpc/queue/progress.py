"""A campaign's counters, and the lock under which its evaluations end.

Why a lock: the search reads endings by a cursor, `finish_sequence > last seen`. Numbers from a database
sequence are handed out before commit, so 8 may be seen before 7 is committed, and 7 would be skipped for
ever. Here a number is taken by updating the campaign's row in `campaign_progress`, which keeps other endings
of the campaign out until commit: numbers become visible in their order. (Comparing transaction ids with the
oldest running one would need no lock, but any forgotten transaction in the database would stop the search.)

Order of locks: progress rows by campaign id, then evaluations. Therefore record before you claim.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, Integer, bindparam, func, select, true, update

from ambs_hpc.queue.batches import id_in
from ambs_hpc.queue.schema import campaign_progress, evaluation, is_running
from ambs_hpc.states import State

_COUNTERS = {State.DONE: "done", State.FAILED: "failed", State.CANCELLED: "cancelled"}


class Endings:
    """Sequence numbers handed out, and counters changed, in the course of one verb."""

    def __init__(self, last_numbers: dict[int, int]) -> None:
        self._last = last_numbers
        self._changes: dict[int, Counter[State]] = {campaign_id: Counter() for campaign_id in last_numbers}

    @classmethod
    def of_evaluations(cls, connection: Connection, ids: Iterable[int]) -> Endings:
        """Lock the campaigns of these evaluations."""
        of = select(evaluation.c.campaign_id).where(id_in(connection, evaluation.c.id, ids))
        return cls._locked(connection, campaign_progress.c.campaign_id.in_(of))

    @classmethod
    def of_campaign(cls, connection: Connection, campaign_id: int | None) -> Endings:
        """Lock one campaign, or all of them."""
        which = true() if campaign_id is None else campaign_progress.c.campaign_id == campaign_id
        return cls._locked(connection, which)

    @classmethod
    def _locked(cls, connection: Connection, which: ColumnElement[bool]) -> Endings:
        progress = campaign_progress
        # In order of ids: two that end evaluations of the same two campaigns must not wait in a circle.
        statement = (
            select(progress.c.campaign_id, progress.c.finish_sequence)
            .where(which)
            .order_by(progress.c.campaign_id)
            .with_for_update(of=progress, key_share=True)
        )
        return cls({row.campaign_id: row.finish_sequence for row in connection.execute(statement)})

    def number(self, campaign_id: int, state: State, before: State) -> int:
        """The finish sequence of an evaluation that moves from `before` to the final `state`."""
        self._last[campaign_id] += 1
        self._changes[campaign_id][state] += 1
        self._changes[campaign_id][before] -= 1
        return self._last[campaign_id]

    def reopen(self, campaign_id: int, before: State) -> None:
        """An evaluation leaves the final state `before`."""
        self._changes[campaign_id][before] -= 1

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


_COUNTERS = {State.DONE: "done", State.FAILED: "failed", State.CANCELLED: "cancelled"}
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


def add_enqueued(connection: Connection, campaign_id: int, number: int) -> None:
    """Count new evaluations."""
    connection.execute(
        update(campaign_progress)
        .where(campaign_progress.c.campaign_id == campaign_id)
        .values(enqueued=campaign_progress.c.enqueued + number)
    )


def counts(connection: Connection, campaign_id: int | None = None) -> dict[State, int]:
    """Evaluations by state, of one campaign or of all; every state is there.

    Costs the same whatever has finished and whatever waits: final states are counted when they are reached,
    RUNNING is counted through its own small index, and READY is what remains.
    """
    progress = campaign_progress.c
    running = select(func.count()).where(is_running)
    if campaign_id is not None:
        running = running.where(evaluation.c.campaign_id == campaign_id)
    sums = (func.coalesce(func.sum(progress[name]), 0) for name in ("enqueued", *_COUNTERS.values()))
    statement = select(*sums, running.scalar_subquery())
    if campaign_id is not None:
        statement = statement.where(progress.campaign_id == campaign_id)
    enqueued, done, failed, cancelled, now_running = (
        int(each) for each in connection.execute(statement).one()
    )
    return {
        State.READY: enqueued - done - failed - cancelled - now_running,
        State.RUNNING: now_running,
        State.DONE: done,
        State.FAILED: failed,
        State.CANCELLED: cancelled,
    }
