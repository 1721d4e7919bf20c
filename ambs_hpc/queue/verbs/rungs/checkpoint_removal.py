"""Checkpoints that nobody needs any more: which these are, and that they were removed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, and_, exists, func, or_, select, update

from ambs_hpc.fidelity import fidelity_from_json, rule_of
from ambs_hpc.queue.reads.best_results import ids_to_keep
from ambs_hpc.queue.reads.campaigns import get_campaign
from ambs_hpc.queue.reads.search_feed import marks_of
from ambs_hpc.queue.schema.rung_tables import removed_checkpoint
from ambs_hpc.queue.schema.tables import (
    evaluation,
    is_cancelled,
    is_done,
    is_from_here,
    is_paused,
    is_ready,
    is_running,
)
from ambs_hpc.queue.sql.bulk import id_in, insert_rows
from ambs_hpc.queue.sql.clock import now
from ambs_hpc.queue.sql.row_mapping import DatabaseRow
from ambs_hpc.queue.sql.stored_values import configuration_in, usable
from ambs_hpc.queue.verbs.release import lock_rows_of
from ambs_hpc.queue.verbs.rungs.standings import standings_of
from ambs_hpc.records import Campaign, Configuration
from ambs_hpc.states import State

# A cancelled evaluation may still run for a while: until its launcher has heard of it, and it has ended.
CANCELLED_SINCE_SECONDS = 600.0
_SPARE = {State.DONE.value, State.CANCELLED.value, State.PAUSED.value}


class SpareCheckpoint(NamedTuple):
    """The checkpoint of an evaluation that does not run, and whose `attempt` was the last one."""

    evaluation_id: int
    attempt: int
    ordinal: int
    configuration: Configuration


class FreedSpace(NamedTuple):
    """How many checkpoints of a campaign were removed, and what that freed."""

    removed: int
    freed_bytes: int


def spare_checkpoints(
    connection: Connection, campaign: Campaign, keep_best: int, limit: int
) -> list[SpareCheckpoint]:
    """Checkpoints that may be removed, and were not yet, the oldest evaluations first.

    Those of results that are not among the `keep_best` best or on the front, of cancelled evaluations, and
    of paused ones that can never be promoted. Those of failed evaluations stay: a rerun goes on from them.
    """
    column, removed = evaluation.c, removed_checkpoint.c
    hopeless = id_in(connection, column.id, never_promoted(connection, campaign))
    leading = ids_to_keep(connection, campaign, keep_best)
    is_old = column.finished_at < now(connection) - CANCELLED_SINCE_SECONDS
    is_removed = exists().where(removed.evaluation_id == column.id, removed.attempt == column.attempt)
    statement = (
        select(column.id, column.attempt, column.ordinal, column.configuration)
        .where(
            column.campaign_id == campaign.id,
            column.attempt >= 1,
            is_from_here,
            or_(is_done, and_(is_cancelled, is_old), and_(is_paused, hopeless)),
            ~id_in(connection, column.id, leading),
            ~is_removed,
        )
        .order_by(column.id)
        .limit(limit)
    )
    return usable(connection.execute(statement), _spare)


def _spare(row: DatabaseRow) -> SpareCheckpoint:
    """Its folder is named by its configuration: what is none has none."""
    return SpareCheckpoint(row[0], row[1], row[2], configuration_in(row[3], row[0]))


def never_promoted(connection: Connection, campaign: Campaign) -> set[int]:
    """Ids of paused evaluations that would not be promoted if all that is to come were worse than they.

    By the campaign's budget, and by what share runs on as it is known now; none where it has no budget.
    """
    fidelity = fidelity_from_json(campaign.definition.problem.get("fidelity"))
    budget, marks = campaign.definition.max_evaluations, marks_of(connection, campaign.id)
    if fidelity is None or budget is None:
        return set()
    rungs, known = fidelity.rungs(), standings_of(connection, campaign.id, fidelity)
    standings, rule = known.by_rung, rule_of(fidelity, known.shares())
    unproposed = max(0, budget - (marks.enqueued - marks.added))
    still_open = _held_at(connection, campaign.id)
    lost: set[int] = set()
    for index, rung in enumerate(rungs[:-1]):
        may_come = [one for one in still_open if one not in standings[rung] and one not in lost]
        worse = dict.fromkeys(range(-1, -1 - unproposed - len(may_come), -1))
        paused = {one for one, held_at in still_open.items() if held_at == rung}
        able = rule.promotable(index, {**standings[rung], **worse}, paused | worse.keys())
        lost |= paused - set(able)
    return lost


def remove_checkpoints(
    connection: Connection,
    campaign: Campaign,
    spare: Sequence[tuple[SpareCheckpoint, int]],
    put_away: Callable[[SpareCheckpoint], bool],
) -> list[SpareCheckpoint]:
    """Store that checkpoints are removed; returns those put away, none that may be needed now.

    Their evaluations are locked meanwhile, so that nobody starts one of them: `put_away` may do no more than
    rename a folder.

    Args:
        campaign: by which they were found to be spare; it may have been revised since.
        spare: with their sizes in bytes.
        put_away: takes a checkpoint from where its evaluation would look for it; False where there was none.
    """
    sizes = {one.evaluation_id: (one, size) for one, size in spare}
    rows, done = [], []
    locked = lock_rows_of(connection, sizes)
    if get_campaign(connection, campaign.id).revision != campaign.revision:
        return []
    for row in locked:
        one, size = sizes[row.id]
        if row.state not in _SPARE or row.attempt != one.attempt:
            continue  # it was rerun, or promoted
        was_there = put_away(one)
        done += [one] if was_there else []
        rows.append({"evaluation_id": row.id, "attempt": row.attempt, "bytes": size if was_there else 0})
    insert_rows(connection, removed_checkpoint, rows, stamp="at")
    return done


def unfreed_checkpoints(connection: Connection, campaign_id: int, limit: int) -> list[SpareCheckpoint]:
    """Those that were put away, and whose files may still be there."""
    column, removed = evaluation.c, removed_checkpoint.c
    statement = (
        select(column.id, removed.attempt, column.ordinal, column.configuration)
        .join(removed_checkpoint, removed.evaluation_id == column.id)
        .where(column.campaign_id == campaign_id, removed.freed_at.is_(None))
        .order_by(column.id)
        .limit(limit)
    )
    return usable(connection.execute(statement), _spare)


def note_freed(connection: Connection, freed: Sequence[SpareCheckpoint]) -> None:
    """The files of these are gone."""
    removed = removed_checkpoint.c
    statement = update(removed_checkpoint).where(
        id_in(connection, removed.evaluation_id, [one.evaluation_id for one in freed]),
        removed.freed_at.is_(None),
    )
    connection.execute(statement.values(freed_at=now(connection)))


def freed_space(connection: Connection, campaign_id: int) -> FreedSpace:
    """What was removed of a campaign's checkpoints so far."""
    removed = removed_checkpoint.c
    statement = (
        select(func.count(), func.coalesce(func.sum(removed.bytes), 0))
        .join(evaluation, evaluation.c.id == removed.evaluation_id)
        .where(evaluation.c.campaign_id == campaign_id, removed.freed_at.is_not(None), removed.bytes > 0)
    )
    number, size = connection.execute(statement).one()
    return FreedSpace(int(number), int(size))


def _held_at(connection: Connection, campaign_id: int) -> dict[int, int | None]:
    """Of all evaluations that may still come to a rung, where they are paused, or None."""
    column = evaluation.c
    found: dict[int, int | None] = defaultdict(lambda: None)
    for state in (is_ready, is_running, is_paused):
        statement = select(column.id, column.paused_rung).where(state, column.campaign_id == campaign_id)
        found.update((row.id, row.paused_rung) for row in connection.execute(statement))
    return dict(found)
