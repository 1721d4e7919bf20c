"""The rows of results at rungs: written, promoted, read for a decision. What follows is `rungs`'s matter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Connection, bindparam, insert, or_, select, update

from ambs_hpc.queue.schema.rung_tables import removed_checkpoint, rung_result
from ambs_hpc.queue.schema.tables import evaluation_event, report
from ambs_hpc.queue.sql.bulk import id_in
from ambs_hpc.queue.sql.clock import now, read_now
from ambs_hpc.queue.sql.row_mapping import text_value
from ambs_hpc.queue.verbs.release import NO_CHECKPOINT
from ambs_hpc.states import Move

# It ran on from there at once, or later.
passed = or_(rung_result.c.kept, rung_result.c.promoted_at.is_not(None))


class RungRow(NamedTuple):
    """A result at a rung, as it was or will be stored; see `reads.rung_results.RungResult`."""

    evaluation_id: int
    rung: int
    step: int
    attempt: int
    value: float


def add_rung(connection: Connection, campaign_id: int, row: RungRow, *, kept: bool, reason: str) -> None:
    """Store a result at a rung with the present time."""
    connection.execute(
        insert(rung_result).values(
            **row._asdict(), campaign_id=campaign_id, at=now(connection), kept=kept, reason=text_value(reason)
        )
    )


def note_promotions(connection: Connection, rungs: Mapping[int, int], reason: str) -> None:
    """Store that evaluations may run on from the rungs, by their ids, at which they were paused."""
    if not rungs:
        return
    result, promoted_at = rung_result.c, read_now(connection)
    statement = (
        update(rung_result)
        .where(result.evaluation_id == bindparam("of"), result.rung == bindparam("at_rung"))
        .values(promoted_at=promoted_at, reason=text_value(reason))
    )
    connection.execute(statement, [{"of": one, "at_rung": rung} for one, rung in rungs.items()])


def decide_again(connection: Connection, evaluation_id: int, rung: int, *, kept: bool, reason: str) -> None:
    """Store anew whether an evaluation runs on from a rung; its value there stays, nobody has promoted it."""
    result = rung_result.c
    statement = update(rung_result).where(result.evaluation_id == evaluation_id, result.rung == rung)
    connection.execute(statement.values(kept=kept, promoted_at=None, reason=text_value(reason)))


def open_rungs(connection: Connection, ids: Iterable[int]) -> set[tuple[int, int]]:
    """The (id, rung) of all results from which nothing has let these evaluations run on."""
    result = rung_result.c
    statement = select(result.evaluation_id, result.rung).where(
        id_in(connection, result.evaluation_id, ids), ~passed
    )
    return {(row.evaluation_id, row.rung) for row in connection.execute(statement)}


def beginning(connection: Connection, evaluation_id: int, attempt: int) -> str:
    """From where a paused evaluation goes on, as the end of a sentence; "" for its checkpoint.

    Args:
        attempt: its latest.
    """
    removed, event = removed_checkpoint.c, evaluation_event.c
    is_removed = select(removed.at).where(
        removed.evaluation_id == evaluation_id, removed.attempt == attempt, removed.bytes > 0
    )
    if connection.execute(is_removed).first() is not None:
        return "; from the start, its checkpoint was removed"
    pauses = (event.evaluation_id == evaluation_id, event.move == Move.PAUSE.value)
    last = select(event.detail).where(*pauses).order_by(event.id.desc()).limit(1)
    has_none = NO_CHECKPOINT in (connection.execute(last).scalar() or "")
    return "; from the start, it left no checkpoint" if has_none else ""


def first_report_from(connection: Connection, evaluation_id: int, step: int) -> RungRow | None:
    """What the evaluation first reported at the step or above it, by the earliest attempt; or None."""
    row = connection.execute(_FIRST_REPORT, {"of": evaluation_id, "from": step}).one_or_none()
    return None if row is None else RungRow(evaluation_id, step, *row)


_FIRST_REPORT: Any = (
    select(report.c.step, report.c.attempt, report.c.objective)
    .where(report.c.evaluation_id == bindparam("of"), report.c.step >= bindparam("from", type_=BigInteger()))
    .order_by(report.c.step, report.c.attempt)
    .limit(1)
)
