"""Evaluations that a launcher holds go back to the queue; `release` is called by the launcher itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select

from ambs_hpc.queue.schema.tables import campaign, evaluation, is_outside
from ambs_hpc.queue.sql.bulk import listed, listed_value, update_rows
from ambs_hpc.queue.sql.clock import read_now
from ambs_hpc.queue.sql.notify import NotifyChannel, notify
from ambs_hpc.queue.sql.row_mapping import DatabaseRow, text_value
from ambs_hpc.queue.verbs.counters import CounterChanges
from ambs_hpc.queue.verbs.event_log import NewEvent, record
from ambs_hpc.queue.verbs.revisions import renew_waiting
from ambs_hpc.states import FailureKind, Move, State

RUNNING = State.RUNNING.value
# An update finds the state and the attempt that it expects, or changes nothing. The state is compared with
# the row's own value and not with a constant, or PostgreSQL would go through all that runs instead of by ids.
GUARDS = (("id", "id"), ("attempt", "attempt"), ("state", "before"))


def release(
    connection: Connection,
    launcher_id: int,
    held: Sequence[tuple[int, int]],
    *,
    interrupted: bool,
    reason: str,
) -> int:
    """Return to the queue what the launcher holds; returns how many of these it really held.

    Args:
        held: (id, attempt) pairs; those that it lost in the meantime are not changed.
        interrupted: the attempts ran and the machine ended them: each counts against `max_interruptions`,
            beyond which its evaluation is FAILED as LOST. False when they never started, which counts
            against nothing.
        reason: kept with the event, for instance "walltime".
    """
    if not held:
        return 0
    ids = [evaluation_id for evaluation_id, _ in held]
    counters = CounterChanges.of_evaluations(connection, ids)
    wanted = set(held)
    rows = [
        row
        for row in lock_rows_of(connection, ids)
        if (row.id, row.attempt) in wanted and (row.state, row.launcher_id) == (RUNNING, launcher_id)
    ]
    ended_at = read_now(connection)
    release_rows(
        connection, [Interruption(row, ended_at, interrupted) for row in rows], counters, Move.RELEASE, reason
    )
    return len(rows)


@dataclass(frozen=True, slots=True)
class Interruption:
    """The end of a lease: a row of `lock_rows`, when it ended, and whether it counts as an interruption."""

    row: DatabaseRow
    ended_at: float
    counts: bool = True

    @property
    def is_one_too_many(self) -> bool:
        """Whether the evaluation has been interrupted more often than its campaign allows."""
        return self.counts and self.row.interruptions + 1 > self.row.max_interruptions


def lock_rows_of(connection: Connection, ids: Iterable[int]) -> Sequence[DatabaseRow]:
    """These evaluations with their campaigns' budgets, locked until the end of the transaction."""
    dialect = connection.dialect.name
    return connection.execute(_locking_by_ids(dialect), {"ids": listed_value(dialect, ids)}).all()


def lock_rows(connection: Connection, *conditions: ColumnElement[bool]) -> Sequence[DatabaseRow]:
    """The same for all evaluations that satisfy the conditions."""
    return connection.execute(_locking(*conditions)).all()


@cache
def _locking_by_ids(dialect: str) -> Select[Any]:
    return _locking(listed(dialect, evaluation.c.id, "ids"))


def _locking(*conditions: ColumnElement[bool]) -> Select[Any]:
    return (
        select(
            *_LOCKED,
            *(campaign.c[name] for name in ("max_failures", "max_interruptions", "run_directory")),
            (evaluation.c.revision < campaign.c.revision).label("is_of_old_revision"),
            is_outside.label("is_outside"),
        )
        .join(campaign, campaign.c.id == evaluation.c.campaign_id)
        .where(*conditions)
        .order_by(evaluation.c.id)
        .with_for_update(of=evaluation, key_share=True)
    )


_LOCKED = [
    evaluation.c[name]
    for name in [
        *("id", "campaign_id", "ordinal", "state", "attempt", "claim_token", "launcher_id"),
        *("failures", "interruptions", "claimed_at", "failure_kind", "node"),
    ]
]


def release_rows(
    connection: Connection,
    interruptions: Sequence[Interruption],
    counters: CounterChanges,
    move: Move,
    reason: str,
) -> None:
    """Return locked RUNNING evaluations to READY, or end them as LOST where the budget is spent."""
    lost = [one for one in interruptions if one.is_one_too_many]
    returned = [one for one in interruptions if not one.is_one_too_many]
    update_rows(connection, evaluation, GUARDS, [_returned(one) for one in returned])
    update_rows(connection, evaluation, GUARDS, [_lost(one, counters, reason) for one in lost])
    counters.save(connection)
    detail = text_value(reason)
    record(connection, [_event(one, move, detail) for one in returned])
    record(connection, [_event(one, Move.LOSE, detail) for one in lost])
    if returned:
        renew_waiting(connection, [one.row.campaign_id for one in returned if one.row.is_of_old_revision])
        notify(connection, NotifyChannel.READY)
    if lost:
        notify(connection, NotifyChannel.FINISHED)


def _returned(one: Interruption) -> dict[str, Any]:
    return {
        "id": one.row.id,
        "attempt": one.row.attempt,
        "before": RUNNING,
        "state": State.READY.value,
        "launcher_id": None,
        "interruptions": one.row.interruptions + one.counts,
        "claimed_at": None,
    }


def _lost(one: Interruption, counters: CounterChanges, reason: str) -> dict[str, Any]:
    error = text_value(
        f"Interrupted {one.row.interruptions + 1} times ({reason}); its campaign allows "
        f"{one.row.max_interruptions}. `ambs rerun {one.row.id}` gives it another chance."
    )
    return {
        "id": one.row.id,
        "attempt": one.row.attempt,
        "before": RUNNING,
        "state": State.FAILED.value,
        "failure_kind": FailureKind.LOST.value,
        "interruptions": one.row.interruptions + 1,
        "started_at": one.row.claimed_at,
        "finished_at": max(one.ended_at, one.row.claimed_at),
        "finish_sequence": counters.number(one.row.campaign_id, State.FAILED, State.RUNNING),
        "error": error,
        "signature": f"interrupted too often ({reason})"[:200],
    }


def _event(one: Interruption, move: Move, detail: str) -> NewEvent:
    return NewEvent(
        one.row.id,
        move,
        one.row.attempt,
        one.row.launcher_id,
        node=one.row.node or None,
        failure_kind=FailureKind.LOST if move is Move.LOSE else None,
        started_at=one.row.claimed_at if one.counts else None,
        finished_at=max(one.ended_at, one.row.claimed_at) if one.counts else None,
        detail=detail,
        claim_token=one.row.claim_token,
    )
