"""Which attempts launchers hold, and which have ended by themselves."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, select

from ambs_hpc.queue.schema.tables import campaign, evaluation, evaluation_event, is_running, launcher
from ambs_hpc.queue.sql.bulk import id_in
from ambs_hpc.queue.sql.clock import now
from ambs_hpc.states import Move

_ENDED = [move.value for move in (Move.COMPLETE, Move.FAIL, Move.RETRY, Move.ACCEPT_LATE)]


@dataclass(frozen=True, slots=True)
class Lease:
    """An evaluation that a launcher holds; its result may lie under the campaign's `run_directory`.

    Args:
        age_seconds: since it was claimed, by the database's clock.
        token: of its claim; an outcome that lies there counts only with it.
        survives_in: who runs it on when its launcher dies; empty for nobody.
    """

    id: int
    campaign_id: int
    ordinal: int
    attempt: int
    token: str
    launcher_id: int
    run_directory: str
    survives_in: str
    age_seconds: float


def held(connection: Connection, launcher_ids: Collection[int] | None = None) -> list[Lease]:
    """The evaluations that these launchers hold, or that any launcher holds when None."""
    mine = [] if launcher_ids is None else [id_in(connection, evaluation.c.launcher_id, launcher_ids)]
    statement = (
        select(
            evaluation.c.id,
            evaluation.c.campaign_id,
            evaluation.c.ordinal,
            evaluation.c.attempt,
            evaluation.c.claim_token,
            evaluation.c.launcher_id,
            campaign.c.run_directory,
            launcher.c.survives_in,
            now(connection) - evaluation.c.claimed_at,
        )
        .join(campaign, campaign.c.id == evaluation.c.campaign_id)
        .join(launcher, launcher.c.id == evaluation.c.launcher_id)
        .where(is_running, *mine)
        .order_by(evaluation.c.id)
    )
    return [Lease(*row) for row in connection.execute(statement)]


def ended_attempts(connection: Connection, ids: Collection[int]) -> set[tuple[int, int]]:
    """The (id, attempt) of those attempts of these evaluations that ended by themselves, DONE or failed."""
    event = evaluation_event.c
    statement = select(event.evaluation_id, event.attempt).where(
        id_in(connection, event.evaluation_id, ids), event.move.in_(_ENDED)
    )
    return {(row.evaluation_id, row.attempt) for row in connection.execute(statement)}
