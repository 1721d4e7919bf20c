"""What people give to a campaign: results of elsewhere, and the numbers of evaluations that they add.

The search learns an imported result as any other: by its finish sequence, through its cursor. The counters of
the campaign leave it out, so that budgets, states and pace are those of evaluations that run here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from ambs_hpc.errors import NotFound
from ambs_hpc.queue.schema.tables import campaign_progress, evaluation
from ambs_hpc.queue.sql.bulk import insert_rows
from ambs_hpc.queue.sql.clock import read_now
from ambs_hpc.queue.sql.notify import NotifyChannel, notify
from ambs_hpc.queue.sql.row_mapping import DatabaseRow, error_value, json_value, signature, text_value
from ambs_hpc.queue.verbs.event_log import NewEvent, record
from ambs_hpc.records import IMPORTED, ImportedResult
from ambs_hpc.states import Move, State


def next_given_ordinal(connection: Connection, campaign_id: int) -> int:
    """The number of the next evaluation that a person gives, below 0; the campaign is locked until the end.

    Raises:
        NotFound: there is no such campaign.
    """
    return -1 - _given(_locked(connection, campaign_id))


def import_results(connection: Connection, campaign_id: int, results: Sequence[ImportedResult]) -> list[int]:
    """Store results of elsewhere, which the search then learns in this order; returns their ids.

    Raises:
        NotFound: there is no such campaign.
        ValueError: an objective is not finite, or a result has both or none of objective and failure.
    """
    for one in results:
        if (one.objective is None) == (one.failure is None):
            raise ValueError(f"{one.source}: give either an objective or a failure")
        if one.objective is not None and not math.isfinite(one.objective):
            raise ValueError(f"{one.source}: objective {one.objective!r} is not a finite number")
    if not results:
        return []
    progress = _locked(connection, campaign_id)
    newest, now = -1 - _given(progress), read_now(connection)
    rows = [
        _new_row(campaign_id, one, newest - place, progress.finish_sequence + 1 + place, now)
        for place, one in enumerate(results)
    ]
    insert_rows(connection, evaluation, rows, stamp="created_at")
    ids = _ids_down_from(connection, campaign_id, newest, len(rows))
    record(connection, [_event(evaluation_id, one) for evaluation_id, one in zip(ids, results, strict=True)])
    connection.execute(
        update(campaign_progress)
        .where(campaign_progress.c.campaign_id == campaign_id)
        .values(
            finish_sequence=campaign_progress.c.finish_sequence + len(rows),
            imported=campaign_progress.c.imported + len(rows),
        )
    )
    notify(connection, NotifyChannel.FINISHED)
    return ids


def _locked(connection: Connection, campaign_id: int) -> DatabaseRow:
    progress = campaign_progress.c
    row = connection.execute(
        select(progress.finish_sequence, progress.added, progress.imported)
        .where(progress.campaign_id == campaign_id)
        .with_for_update(key_share=True)
    ).one_or_none()
    if row is None:
        raise NotFound(f"There is no campaign with id {campaign_id}.")
    return row


def _given(progress: DatabaseRow) -> int:
    return int(progress.added + progress.imported)


def _ids_down_from(connection: Connection, campaign_id: int, newest: int, number: int) -> list[int]:
    column = evaluation.c
    statement = (
        select(column.id)
        .where(column.campaign_id == campaign_id, column.ordinal.between(newest - number + 1, newest))
        .order_by(column.ordinal.desc())
    )
    return list(connection.execute(statement).scalars())


def _event(evaluation_id: int, one: ImportedResult) -> NewEvent:
    move = Move.IMPORT if one.failure is None else Move.IMPORT_FAILURE
    return NewEvent(evaluation_id, move, 0, failure_kind=one.failure, detail=text_value(one.source))


def _new_row(
    campaign_id: int, one: ImportedResult, ordinal: int, sequence: int, now: float
) -> dict[str, Any]:
    return {
        "campaign_id": campaign_id,
        "ordinal": ordinal,
        "configuration": json_value(one.configuration),
        "proposal_kind": IMPORTED,
        "cores": 1,
        "gpus": 0,
        "memory_gib": 0.0,
        "nodes": 1,
        "ranks_per_node": 1,
        "whole_node": False,
        "priority": 0,
        "state": (State.DONE if one.failure is None else State.FAILED).value,
        "attempt": 0,
        "failures": 0,
        "interruptions": 0,
        "finished_at": now,
        "finish_sequence": sequence,
        "objective": None if one.objective is None else float(one.objective),
        "metrics": json_value(one.metrics) or None,
        "failure_kind": one.failure.value if one.failure else None,
        "error": error_value(one.error),
        "signature": signature(text_value(one.error)),
        "node": "",
    }
