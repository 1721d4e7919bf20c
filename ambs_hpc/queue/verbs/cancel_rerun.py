"""What a person asks for: to cancel evaluations, and to run them again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, or_

from ambs_hpc.errors import UsageError
from ambs_hpc.queue.schema.tables import evaluation, is_failed, is_from_here, is_in
from ambs_hpc.queue.sql.bulk import id_in, update_rows
from ambs_hpc.queue.sql.clock import read_now
from ambs_hpc.queue.sql.notify import NotifyChannel, notify
from ambs_hpc.queue.sql.row_mapping import DatabaseRow
from ambs_hpc.queue.verbs.counters import CounterChanges
from ambs_hpc.queue.verbs.event_log import NewEvent, record
from ambs_hpc.queue.verbs.release import GUARDS, lock_rows
from ambs_hpc.queue.verbs.revisions import renew_waiting
from ambs_hpc.queue.verbs.rungs.rung_rows import beginning, note_promotions
from ambs_hpc.states import FailureKind, Move, State, is_legal

_CANCELLABLE = tuple(state for state in State if is_legal(Move.CANCEL, state))
_RERUNNABLE = tuple(state for state in State if is_legal(Move.RERUN, state))


def cancel(
    connection: Connection,
    *,
    ids: Sequence[int] | None = None,
    campaign_id: int | None = None,
    states: Iterable[State] = _CANCELLABLE,
    reason: str | None = None,
) -> list[int]:
    """Cancel evaluations that have not ended; returns their ids.

    Launchers learn of it at their next heartbeat.

    Args:
        ids, campaign_id: only these, only of that campaign, or both; one of them is needed.
        states: only evaluations in these states; final ones are ignored.
        reason: kept with the events.

    Raises:
        UsageError: nothing is named.
    """
    _named("cancel", ids, campaign_id)
    conditions = [is_in[state] for state in states if state in _CANCELLABLE]
    counters = _lock(connection, ids, campaign_id)
    cancelled: list[int] = []
    # READY before RUNNING, so that an evaluation that is claimed in between is found among the RUNNING.
    for condition in conditions:
        rows = lock_rows(connection, condition, *_which(connection, ids, campaign_id))
        cancelled += _end_as_cancelled(connection, rows, counters, reason)
    counters.save(connection)
    if cancelled:
        notify(connection, NotifyChannel.FINISHED)
    return sorted(cancelled)


def rerun(
    connection: Connection,
    *,
    ids: Sequence[int] | None = None,
    campaign_id: int | None = None,
    failed: bool = False,
    kind: FailureKind | None = None,
) -> list[int]:
    """Make evaluations that ended without a result READY again, with both budgets full; returns their ids.

    They have the limits and resources of their campaigns' newest revisions. Imported ones stay as they are:
    they failed elsewhere. PAUSED ones go on where they are named by their ids: a person has promoted them.
    One that failed, or was cancelled, while it was held at a rung is judged there again.

    When they end again they get new finish sequences, so that a search that polls reads them again.

    Args:
        ids, campaign_id: only these, only of that campaign, or both; one of them is needed, so that no
            other campaign's are run again unasked.
        failed: only FAILED ones.
        kind: only FAILED ones of this kind.

    Raises:
        UsageError: nothing is named.
    """
    _named("rerun", ids, campaign_id)
    only_failed = failed or kind is not None
    meant = [state for state in _RERUNNABLE if state is not State.PAUSED or ids is not None]
    condition = is_failed if only_failed else or_(*(is_in[state] for state in meant))
    conditions = [condition, is_from_here, *_which(connection, ids, campaign_id)]
    if kind is not None:
        conditions.append(evaluation.c.failure_kind == kind.value)
    counters = _lock(connection, ids, campaign_id)
    rows = lock_rows(connection, *conditions)
    changed = [{"id": row.id, "attempt": row.attempt, "before": row.state} for row in rows]
    update_rows(connection, evaluation, GUARDS, changed, _AS_NEW)
    for row in rows:
        counters.reopen(row.campaign_id, State(row.state))
    counters.save(connection)
    paused = {row.id: row for row in rows if row.state == State.PAUSED.value}
    note_promotions(connection, {one: row.paused_rung for one, row in paused.items()}, BY_PERSON)
    told = {one: BY_PERSON + beginning(connection, one, row.attempt) for one, row in paused.items()}
    record(connection, [NewEvent(row.id, Move.RERUN, row.attempt, detail=told.get(row.id)) for row in rows])
    renew_waiting(connection, [row.campaign_id for row in rows if row.is_of_old_revision])
    if rows:
        notify(connection, NotifyChannel.READY)
    return [row.id for row in rows]


BY_PERSON = "a person wants it to go on"

_AS_NEW: dict[str, Any] = {
    "state": State.READY.value,
    "paused_rung": None,
    "failures": 0,
    "interruptions": 0,
    "launcher_id": None,
    "claimed_at": None,
    "started_at": None,
    "finished_at": None,
    "finish_sequence": None,
    "failure_kind": None,
    "metrics": None,
    "error": "",
    "signature": "",
    "exit_status": None,
    "node": "",
}


def _end_as_cancelled(
    connection: Connection, rows: Sequence[DatabaseRow], counters: CounterChanges, reason: str | None
) -> list[int]:
    now = read_now(connection)
    changed = [
        {
            "id": row.id,
            "attempt": row.attempt,
            "before": row.state,
            "state": State.CANCELLED.value,
            "finished_at": now,
            "finish_sequence": counters.number(row.campaign_id, State.CANCELLED, State(row.state)),
        }
        for row in rows
    ]
    update_rows(connection, evaluation, GUARDS, changed)
    events = [
        NewEvent(
            row.id,
            Move.CANCEL,
            row.attempt,
            row.launcher_id,
            started_at=row.claimed_at,
            finished_at=None if row.claimed_at is None else now,
            detail=reason,
        )
        for row in rows
    ]
    record(connection, events)
    return [row.id for row in rows]


def _named(verb: str, ids: Sequence[int] | None, campaign_id: int | None) -> None:
    if ids is None and campaign_id is None:
        raise UsageError(f"Say what to {verb}: evaluations by their ids, or a campaign.")


def _which(
    connection: Connection, ids: Sequence[int] | None, campaign_id: int | None
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if ids is not None:
        conditions.append(id_in(connection, evaluation.c.id, ids))
    if campaign_id is not None:
        conditions.append(evaluation.c.campaign_id == campaign_id)
    return conditions


def _lock(connection: Connection, ids: Sequence[int] | None, campaign_id: int | None) -> CounterChanges:
    if ids is not None:
        return CounterChanges.of_evaluations(connection, ids)
    return CounterChanges.of_campaign(connection, campaign_id)
