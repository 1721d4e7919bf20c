"""Decides which late results still count: those of attempts that were taken from their launcher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import select

from ambs_hpc.queue.schema.tables import evaluation_event
from ambs_hpc.queue.sql.bulk import id_in
from ambs_hpc.queue.sql.row_mapping import DatabaseRow
from ambs_hpc.records import Outcome
from ambs_hpc.states import FailureKind, Move, State, is_legal

if TYPE_CHECKING:
    from sqlalchemy import Connection

_TAKEN = frozenset(move.value for move in (Move.SWEEP, Move.RELEASE, Move.PAUSE, Move.LOSE))
_CONSIDERED = [*_TAKEN, Move.CLAIM.value, Move.RERUN.value]


def deliverable(
    connection: Connection, delivered: Sequence[tuple[DatabaseRow, Outcome]]
) -> list[DatabaseRow]:
    """The locked evaluations whose delivered attempt was really claimed, was taken away, and still counts.

    A result does not count when another attempt has ended the evaluation since, nor when a person has
    cancelled it or asked for a rerun: a rerun of a corrected program must not get the old program's result.
    """
    candidates = [(row, outcome) for row, outcome in delivered if _is_open(row)]
    if not candidates:
        return []
    event = evaluation_event.c
    ids = [row.id for row, _ in candidates]
    statement = (
        select(event.evaluation_id, event.attempt, event.move, event.claim_token)
        .where(id_in(connection, event.evaluation_id, ids), event.move.in_(_CONSIDERED))
        .order_by(event.id)
    )
    stories: dict[int, list[DatabaseRow]] = {}
    for row in connection.execute(statement):
        stories.setdefault(row.evaluation_id, []).append(row)
    return [row for row, outcome in candidates if _was_taken(stories.get(row.id, []), outcome)]


def _is_open(row: DatabaseRow) -> bool:
    if not is_legal(Move.ACCEPT_LATE, State(row.state)):
        return False
    # A failure of its own stands; LOST only says that no result came.
    return bool(row.state != State.FAILED.value or row.failure_kind == FailureKind.LOST.value)


def _was_taken(story: Sequence[DatabaseRow], outcome: Outcome) -> bool:
    """Whether the events say: claimed with this token, taken away, not rerun since."""
    attempt = outcome.attempt
    claimed = taken = False
    for event in story:
        if event.move == Move.RERUN.value:
            claimed = taken = False
        elif event.attempt == attempt and event.move == Move.CLAIM.value:
            claimed = event.claim_token == outcome.token
        elif event.attempt == attempt and event.move in _TAKEN:
            taken = True
    return claimed and taken
