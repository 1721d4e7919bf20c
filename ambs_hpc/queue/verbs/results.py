"""How attempts ended: completed, failed, or completed late by a launcher that was presumed dead."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from ambs_hpc.queue.schema.tables import evaluation
from ambs_hpc.queue.sql.bulk import update_rows
from ambs_hpc.queue.sql.notify import NotifyChannel, notify
from ambs_hpc.queue.sql.row_mapping import DatabaseRow, error_value, json_value, signature, text_value
from ambs_hpc.queue.verbs.counters import CounterChanges
from ambs_hpc.queue.verbs.event_log import NewEvent, record
from ambs_hpc.queue.verbs.late_results import deliverable
from ambs_hpc.queue.verbs.release import GUARDS, RUNNING, Interruption, lock_rows_of, pause_rows
from ambs_hpc.queue.verbs.revisions import renew_waiting
from ambs_hpc.queue.verbs.rungs.judgement import judge_ends
from ambs_hpc.records import Outcome
from ambs_hpc.states import FailureKind, Move, State


def complete(connection: Connection, launcher_id: int, outcomes: Sequence[Outcome]) -> list[int]:
    """Store results; returns the ids of the evaluations that are DONE by them.

    The update is guarded by (id, RUNNING, attempt, token): whose launcher reports it does not matter. The
    result of an attempt that was taken from its launcher in the meantime (swept, released) is accepted too,
    as long as no other attempt has ended the evaluation since and nobody has cancelled or rerun it; the
    launcher of a running successor learns of it at its heartbeat.
    A result that is already stored is left out, so that an uncertain commit may be repeated.

    Raises:
        ValueError: an objective is missing or not finite.
    """
    for outcome in outcomes:
        if outcome.objective is None or not math.isfinite(outcome.objective):
            raise ValueError(
                f"evaluation {outcome.id}: objective {outcome.objective!r} is not a finite number"
            )
    if not outcomes:
        return []
    by_id = {outcome.id: outcome for outcome in outcomes}
    counters = CounterChanges.of_evaluations(connection, by_id)
    rows = lock_rows_of(connection, by_id)
    mine = [row for row in rows if _is_running(row, by_id[row.id])]
    others = [row for row in rows if not _is_running(row, by_id[row.id])]
    late = deliverable(connection, [(row, by_id[row.id]) for row in others])
    accepted = [(row, by_id[row.id], Move.COMPLETE) for row in mine]
    accepted += [(row, by_id[row.id], Move.ACCEPT_LATE) for row in late]
    done = [_done(row, outcome, counters) for row, outcome, _ in accepted]
    update_rows(connection, evaluation, GUARDS, done, _AS_DONE | {"launcher_id": launcher_id})
    record(connection, [_event(outcome, move, launcher_id, row) for row, outcome, move in accepted])
    counters.save(connection)
    # What was to be paused, or was, has come to the rungs above as well.
    judge_ends(connection, [row for row, _, _ in accepted], {one["id"]: one["objective"] for one in done})
    if accepted:
        notify(connection, NotifyChannel.FINISHED)
    return [row.id for row, _, _ in accepted]


def fail(connection: Connection, launcher_id: int, outcomes: Sequence[Outcome]) -> list[tuple[int, State]]:
    """Store failures; returns the (id, state) that follow: READY while `max_failures` allows, else FAILED.

    One that lies outside of its campaign's revised space is FAILED at once: no result of it would count.

    The update is guarded by (id, RUNNING, attempt, token): nothing is stored about an attempt that was
    taken away.

    Raises:
        ValueError: a failure is missing, or is LOST, which only `release` and `sweep` store.
    """
    for outcome in outcomes:
        if outcome.failure in (None, FailureKind.LOST):
            raise ValueError(f"evaluation {outcome.id}: {outcome.failure!r} is not a failure of its own")
    if not outcomes:
        return []
    by_id = {outcome.id: outcome for outcome in outcomes}
    counters = CounterChanges.of_evaluations(connection, by_id)
    rows = lock_rows_of(connection, by_id)
    mine = [(row, by_id[row.id]) for row in rows if _is_running(row, by_id[row.id])]
    over = [one for one in mine if _is_over(one[0])]
    held_back = [one for one in mine if not _is_over(one[0]) and one[0].paused_rung is not None]
    again = [one for one in mine if not _is_over(one[0]) and one[0].paused_rung is None]
    update_rows(connection, evaluation, GUARDS, [_failed(*one, counters) for one in over])
    update_rows(connection, evaluation, GUARDS, [_retried(*one) for one in again])
    for row, outcome in held_back:
        _pause_failed(connection, row, outcome, counters)
    record(connection, [_event(outcome, Move.FAIL, launcher_id, row) for row, outcome in over])
    record(connection, [_event(outcome, Move.RETRY, launcher_id, row) for row, outcome in again])
    counters.save(connection)
    if over:
        notify(connection, NotifyChannel.FINISHED)
    if again:
        renew_waiting(connection, [row.campaign_id for row, _ in again if row.is_of_old_revision])
        notify(connection, NotifyChannel.READY)
    ended = {State.FAILED: over, State.READY: again, State.PAUSED: held_back}
    return [(row.id, state) for state, found in ended.items() for row, _ in found]


def _pause_failed(
    connection: Connection, row: DatabaseRow, outcome: Outcome, counters: CounterChanges
) -> None:
    """One that failed while it was to be paused, and may be tried again: once it is promoted."""
    failures = {"id": row.id, "attempt": row.attempt, "before": RUNNING, "failures": row.failures + 1}
    update_rows(connection, evaluation, GUARDS, [failures])
    note = f"it had failed: {outcome.failure.value if outcome.failure else ''} {error_value(outcome.error)}"
    pause_rows(connection, [Interruption(row, outcome.finished_at, counts=False, ran=True)], counters, note)


def _is_running(row: DatabaseRow, outcome: Outcome) -> bool:
    """Whether the evaluation is held by the claim from which the outcome comes."""
    held = (row.state, row.attempt, row.claim_token)
    return held == (RUNNING, outcome.attempt, outcome.token)


def _is_over(row: DatabaseRow) -> bool:
    """Whether an evaluation that has failed is not tried again."""
    return bool(row.is_outside or row.failures + 1 >= row.max_failures)


_AS_DONE: dict[str, Any] = {
    "state": State.DONE.value,
    "paused_rung": None,
    "failure_kind": None,
    "error": "",
    "signature": "",
}


def _done(row: DatabaseRow, outcome: Outcome, counters: CounterChanges) -> dict[str, Any]:
    assert outcome.objective is not None
    return {
        "id": row.id,
        "attempt": row.attempt,  # the row's own: a late result does not change its successor's number
        "before": row.state,
        "claimed_at": outcome.started_at if row.claimed_at is None else row.claimed_at,
        "started_at": outcome.started_at,
        "finished_at": outcome.finished_at,
        "finish_sequence": counters.number(row.campaign_id, State.DONE, State(row.state)),
        "objective": float(outcome.objective),
        "metrics": json_value(outcome.metrics),
        "exit_status": outcome.exit_status,
        "node": text_value(outcome.node),
    }


def _failed(row: DatabaseRow, outcome: Outcome, counters: CounterChanges) -> dict[str, Any]:
    assert outcome.failure is not None
    return {
        **_after_failure(row, outcome),
        "state": State.FAILED.value,
        "failure_kind": outcome.failure.value,
        "finished_at": outcome.finished_at,
        "finish_sequence": counters.number(row.campaign_id, State.FAILED, State.RUNNING),
    }


def _retried(row: DatabaseRow, outcome: Outcome) -> dict[str, Any]:
    return {
        **_after_failure(row, outcome),
        "state": State.READY.value,
        "launcher_id": None,
        "claimed_at": None,
        "started_at": None,
    }


def _after_failure(row: DatabaseRow, outcome: Outcome) -> dict[str, Any]:
    return {
        "id": row.id,
        "attempt": row.attempt,
        "before": row.state,
        "failures": row.failures + 1,
        "started_at": outcome.started_at,
        "metrics": json_value(outcome.metrics),
        "error": error_value(outcome.error),
        "signature": signature(text_value(outcome.error)),
        "exit_status": outcome.exit_status,
        "node": text_value(outcome.node),
    }


def _event(outcome: Outcome, move: Move, launcher_id: int, row: DatabaseRow) -> NewEvent:
    detail = error_value(outcome.error) if outcome.error else None
    if move is Move.ACCEPT_LATE:
        detail = (
            f"in place of attempt {row.attempt}" if row.attempt != outcome.attempt else "after being given up"
        )
    return NewEvent(
        outcome.id,
        move,
        outcome.attempt,
        launcher_id,
        node=text_value(outcome.node),
        failure_kind=outcome.failure,
        exit_status=outcome.exit_status,
        started_at=outcome.started_at,
        finished_at=outcome.finished_at,
        detail=detail,
        claim_token=outcome.token,
    )
