"""Evaluations that a launcher holds go back to the queue; `release` is called by the launcher itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select

from ambs_hpc.queue.schema.rung_tables import rung_result
from ambs_hpc.queue.schema.tables import campaign, evaluation, is_outside
from ambs_hpc.queue.sql.bulk import id_in, listed, listed_value, update_rows
from ambs_hpc.queue.sql.clock import read_now
from ambs_hpc.queue.sql.notify import NotifyChannel, notify
from ambs_hpc.queue.sql.row_mapping import DatabaseRow, text_value
from ambs_hpc.queue.verbs.counters import CounterChanges
from ambs_hpc.queue.verbs.event_log import NewEvent, record
from ambs_hpc.queue.verbs.revisions import renew_waiting
from ambs_hpc.states import FailureKind, Move, State

RUNNING = State.RUNNING.value
NO_CHECKPOINT = "it left no checkpoint, and begins anew when it is promoted"
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

    One that its launcher was to pause is PAUSED instead, which counts against nothing.
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


def pause(connection: Connection, launcher_id: int, held: Sequence[tuple[int, int]], note: str = "") -> int:
    """Store that the launcher has ended attempts that it was to pause; returns how many it really held.

    They are PAUSED, or READY where they were promoted in the meantime. Neither counts against anything.

    Args:
        held: (id, attempt) pairs; those that it lost in the meantime are not changed.
        note: more about it, for the event, such as NO_CHECKPOINT.
    """
    if not held:
        return 0
    ids, wanted = [evaluation_id for evaluation_id, _ in held], set(held)
    counters = CounterChanges.of_evaluations(connection, ids)
    rows = [
        row
        for row in lock_rows_of(connection, ids)
        if (row.id, row.attempt) in wanted and (row.state, row.launcher_id) == (RUNNING, launcher_id)
    ]
    ended_at = read_now(connection)
    ended = [Interruption(row, ended_at, counts=False, ran=True) for row in rows]
    pause_rows(connection, [one for one in ended if one.is_held_back], counters, note)
    promoted = [one for one in ended if not one.is_held_back]
    told = "promoted while it was ended for its pause" + (f"; {note}" if note else "")
    release_rows(connection, promoted, counters, Move.RELEASE, told)
    return len(rows)


@dataclass(frozen=True, slots=True)
class Interruption:
    """The end of a lease: a row of `lock_rows`, when it ended, and whether it counts as an interruption.

    `ran`: it does not count, but it ran.
    """

    row: DatabaseRow
    ended_at: float
    counts: bool = True
    ran: bool = False

    @property
    def is_one_too_many(self) -> bool:
        """Whether the evaluation has been interrupted more often than its campaign allows."""
        return self.counts and self.row.interruptions + 1 > self.row.max_interruptions

    @property
    def is_held_back(self) -> bool:
        """Whether it was to be paused: it waits for its promotion, not for another launcher."""
        return self.row.paused_rung is not None


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
            *(campaign.c[name] for name in ("max_failures", "max_interruptions", "run_directory", "uid")),
            campaign.c.revision.label("campaign_revision"),
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
        *("failures", "interruptions", "claimed_at", "failure_kind", "node", "paused_rung"),
    ]
]


def release_rows(
    connection: Connection,
    interruptions: Sequence[Interruption],
    counters: CounterChanges,
    move: Move,
    reason: str,
) -> None:
    """Return locked RUNNING evaluations to READY, or end them as LOST where the budget is spent.

    Those beyond whose rung they may not run are PAUSED.
    """
    pause_rows(connection, [one for one in interruptions if one.is_held_back], counters, reason)
    interruptions = [one for one in interruptions if not one.is_held_back]
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


def pause_rows(
    connection: Connection, held_back: Sequence[Interruption], counters: CounterChanges, note: str = ""
) -> None:
    """RUNNING evaluations that may not run beyond their rung are PAUSED; the caller saves the counters.

    Args:
        note: more about it, for the event.
    """
    if not held_back:
        return
    update_rows(connection, evaluation, GUARDS, [_paused(one) for one in held_back])
    for one in held_back:
        counters.pause(one.row.campaign_id)
    reasons = _reasons(connection, held_back)
    events = []
    for one in held_back:
        said = reasons.get((one.row.id, one.row.paused_rung), f"at step {one.row.paused_rung}")
        detail = f"paused: {said}" + (f"; {note}" if note else "")
        events.append(_event(one, Move.PAUSE, text_value(detail)))
    record(connection, events)
    notify(connection, NotifyChannel.FINISHED)  # a search that waits for nothing else has ended


def _reasons(connection: Connection, held_back: Sequence[Interruption]) -> dict[tuple[int, int], str]:
    result = rung_result.c
    statement = select(result.evaluation_id, result.rung, result.reason).where(
        id_in(connection, result.evaluation_id, [one.row.id for one in held_back])
    )
    return {(row.evaluation_id, row.rung): row.reason for row in connection.execute(statement)}


def _paused(one: Interruption) -> dict[str, Any]:
    return {
        "id": one.row.id,
        "attempt": one.row.attempt,
        "before": RUNNING,
        "state": State.PAUSED.value,
        "launcher_id": None,
        "claimed_at": None,
    }


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
    ran = one.counts or one.ran
    return NewEvent(
        one.row.id,
        move,
        one.row.attempt,
        one.row.launcher_id,
        node=one.row.node or None,
        failure_kind=FailureKind.LOST if move is Move.LOSE else None,
        started_at=one.row.claimed_at if ran else None,
        finished_at=max(one.ended_at, one.row.claimed_at) if ran else None,
        detail=detail,
        claim_token=one.row.claim_token,
    )
