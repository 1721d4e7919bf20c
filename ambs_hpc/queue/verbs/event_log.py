"""The history of every evaluation: one row for each move, written with it and never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ambs_hpc.queue.schema.tables import evaluation_event
from ambs_hpc.queue.sql.bulk import insert_rows

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ambs_hpc.states import FailureKind, Move


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A move of an evaluation; the times are those of the attempt that the move ended, if it ended one."""

    evaluation_id: int
    move: Move
    attempt: int
    launcher_id: int | None = None
    node: str | None = None
    failure_kind: FailureKind | None = None
    exit_status: int | None = None
    started_at: float | None = None
    finished_at: float | None = None
    detail: str | None = None
    claim_token: str | None = None
    revision: int | None = None


def record(connection: Connection, events: Sequence[NewEvent]) -> None:
    """Append the events with the present time."""
    rows = [
        {
            "evaluation_id": one.evaluation_id,
            "move": one.move.value,
            "attempt": one.attempt,
            "launcher_id": one.launcher_id,
            "node": one.node,
            "failure_kind": one.failure_kind.value if one.failure_kind else None,
            "exit_status": one.exit_status,
            "started_at": one.started_at,
            "finished_at": one.finished_at,
            "detail": one.detail,
            "claim_token": one.claim_token,
            "revision": one.revision,
        }
        for one in events
    ]
    # A column that is empty in all of these rows is not sent.
    used = [name for name in rows[0] if any(row[name] is not None for row in rows)] if rows else []
    sent = [{name: row[name] for name in used} for row in rows]
    insert_rows(connection, evaluation_event, sent, stamp="at")
