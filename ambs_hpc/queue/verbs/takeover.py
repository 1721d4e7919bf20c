"""A launcher takes over what its dead predecessor left running: the same attempts, under its own id."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select, update

from ambs_hpc.queue.reads.launchers import holders
from ambs_hpc.queue.schema.tables import evaluation, is_running, launcher
from ambs_hpc.queue.sql.bulk import id_in
from ambs_hpc.queue.sql.row_mapping import DatabaseRow
from ambs_hpc.queue.verbs.claim import LEASED, claim_value
from ambs_hpc.queue.verbs.event_log import NewEvent, record
from ambs_hpc.queue.verbs.sweep import LivenessOf, dead_holders
from ambs_hpc.records import Claim
from ambs_hpc.states import Move
from ambs_hpc.timing import SURVIVOR_SILENCE_SECONDS


def adopt(
    connection: Connection,
    launcher_id: int,
    *,
    stale_after_seconds: float,
    is_gone: LivenessOf,
    campaign_ids: Sequence[int] | None = None,
) -> list[Claim]:
    """Take over the evaluations of dead launchers whose `survives_in` is this one's.

    Each keeps its attempt and its token. What this one holds already is returned too, so that an uncertain
    commit may be repeated.

    A launcher on another host, whose process cannot be asked about, counts as dead when its last heartbeat is
    older than `SURVIVOR_SILENCE_SECONDS`.

    Args:
        stale_after_seconds, is_gone: as in `sweep`.
        campaign_ids: only of these campaigns.
    """
    who = select(launcher.c.survives_in).where(launcher.c.id == launcher_id)
    kind = connection.execute(who).scalar_one()
    dead = {one.id for one in dead_holders(connection, stale_after_seconds, is_gone)}
    gone = [
        one.id
        for one in holders(connection)
        if one.identity.survives_in == kind
        and (one.id in dead or one.heartbeat_age_seconds > SURVIVOR_SILENCE_SECONDS)
        and one.id != launcher_id
    ]
    if not kind:
        return []
    theirs = [id_in(connection, evaluation.c.launcher_id, [*gone, launcher_id])]
    if campaign_ids is not None:
        theirs.append(id_in(connection, evaluation.c.campaign_id, campaign_ids))
    statement = update(evaluation).where(is_running, *theirs).values(launcher_id=launcher_id)
    rows = sorted(connection.execute(statement.returning(*LEASED)), key=lambda row: row.id)
    record(connection, [_adopted(row, launcher_id) for row in rows])
    return [claim_value(row) for row in rows]


def _adopted(row: DatabaseRow, launcher_id: int) -> NewEvent:
    return NewEvent(row.id, Move.ADOPT, row.attempt, launcher_id, claim_token=row.claim_token)
