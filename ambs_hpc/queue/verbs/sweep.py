"""What dead launchers hold goes back to the queue; being late is not yet being dead."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum

from sqlalchemy import Connection, select

from ambs_hpc.queue.schema.tables import campaign, evaluation, evaluation_event, is_running, launcher
from ambs_hpc.queue.sql.bulk import id_in
from ambs_hpc.queue.sql.clock import now
from ambs_hpc.queue.sql.row_mapping import launcher_value
from ambs_hpc.queue.verbs.counters import CounterChanges
from ambs_hpc.queue.verbs.release import Interruption, give_back, lock_rows
from ambs_hpc.records import Launcher
from ambs_hpc.states import Move, State

_ENDED = [move.value for move in (Move.COMPLETE, Move.FAIL, Move.RETRY, Move.ACCEPT_LATE)]
# A person needs some minutes to see that a launcher died and to start the next.
SURVIVOR_SILENCE_SECONDS = 900.0


class Evidence(Enum):
    """What is known about a launcher by other means than its heartbeat."""

    ALIVE = "alive"  # seen: the process, or its allocation
    GONE_FOR_CERTAIN = "gone for certain"  # on this host and the process has ended: swept at once
    GONE = "gone"  # the scheduler does not know the allocation any more, or there is none to ask about
    UNKNOWN = "unknown"  # could not ask: nothing changes


LivenessOf = Callable[[Launcher], "Evidence | bool | None"]


@dataclass(frozen=True, slots=True)
class Lease:
    """An evaluation that a dead launcher holds; its result may lie under the campaign's `run_directory`."""

    id: int
    campaign_id: int
    ordinal: int
    attempt: int
    launcher_id: int
    run_directory: str


@dataclass(frozen=True, slots=True)
class Released:
    """A `Lease` that was taken away: READY again, or FAILED as LOST."""

    id: int
    campaign_id: int
    ordinal: int
    attempt: int
    launcher_id: int
    run_directory: str
    state: State


def holders(connection: Connection) -> list[Launcher]:
    """Every launcher that holds evaluations, dead or alive: whom to gather evidence about before a sweep."""
    statement = (
        select(launcher, (now(connection) - launcher.c.heartbeat_at).label("heartbeat_age"))
        .where(launcher.c.id.in_(select(evaluation.c.launcher_id).where(is_running)))
        .order_by(launcher.c.id)
    )
    return [launcher_value(row) for row in connection.execute(statement)]


def held_by_dead(connection: Connection, *, stale_after_seconds: float, is_gone: LivenessOf) -> list[Lease]:
    """What `sweep` with the same arguments would take, and what is outlived: to harvest results on disk.

    Report such a result by `complete` or `fail` with the dead launcher's id, or afterwards as a late one.
    """
    dead = dead_holders(connection, stale_after_seconds, is_gone)
    return held(connection, [one.id for one in dead]) if dead else []


def held(connection: Connection, launcher_ids: Collection[int] | None = None) -> list[Lease]:
    """What launchers hold; those of all when None."""
    mine = [] if launcher_ids is None else [id_in(connection, evaluation.c.launcher_id, launcher_ids)]
    statement = (
        select(
            evaluation.c.id,
            evaluation.c.campaign_id,
            evaluation.c.ordinal,
            evaluation.c.attempt,
            evaluation.c.launcher_id,
            campaign.c.run_directory,
        )
        .join(campaign, campaign.c.id == evaluation.c.campaign_id)
        .where(is_running, *mine)
        .order_by(evaluation.c.id)
    )
    return [Lease(*row) for row in connection.execute(statement)]


def ended_attempts(connection: Connection, ids: Collection[int]) -> set[tuple[int, int]]:
    """The (id, attempt) of these evaluations' attempts that ended by themselves, well or not."""
    event = evaluation_event.c
    statement = select(event.evaluation_id, event.attempt).where(
        id_in(connection, event.evaluation_id, ids), event.move.in_(_ENDED)
    )
    return {(row.evaluation_id, row.attempt) for row in connection.execute(statement)}


def sweep(connection: Connection, *, stale_after_seconds: float, is_gone: LivenessOf) -> list[Released]:
    """Take from dead launchers what they hold; each counts as an interruption.

    A launcher is dead when it ended in order, when the evidence is certain, or when its heartbeat is late by
    the database's clock and the evidence says that it is gone. Evaluations that somebody else runs on are
    left for a successor for `SURVIVOR_SILENCE_SECONDS`.

    Args:
        stale_after_seconds: age of a heartbeat from which it is late.
        is_gone: the evidence about a launcher. True stands for GONE_FOR_CERTAIN, False for ALIVE and None for
            UNKNOWN. It must answer from memory, because a transaction is open: ask processes and schedulers
            about the `holders` before.
    """
    found = dead_holders(connection, stale_after_seconds, is_gone)
    dead = _last_heartbeats(connection, [one.id for one in found if not _may_survive(one)])
    if not dead:
        return []
    mine = id_in(connection, evaluation.c.launcher_id, dead)
    ids = connection.execute(select(evaluation.c.id).where(is_running, mine)).scalars().all()
    endings = CounterChanges.of_evaluations(connection, ids)
    rows = lock_rows(connection, is_running, mine, id_in(connection, evaluation.c.id, ids))
    interruptions = [Interruption(row, dead[row.launcher_id]) for row in rows]
    give_back(connection, interruptions, endings, Move.SWEEP, "launcher died")
    return [
        Released(
            one.row.id,
            one.row.campaign_id,
            one.row.ordinal,
            one.row.attempt,
            one.row.launcher_id,
            one.row.run_directory,
            State.FAILED if one.is_one_too_many else State.READY,
        )
        for one in interruptions
    ]


def dead_holders(connection: Connection, stale_after_seconds: float, is_gone: LivenessOf) -> list[Launcher]:
    """The dead launchers that hold something; arguments as of `sweep`."""
    return [one for one in holders(connection) if _is_dead(one, stale_after_seconds, is_gone)]


def _last_heartbeats(connection: Connection, ids: Collection[int]) -> dict[int, float]:
    statement = select(launcher.c.id, launcher.c.heartbeat_at).where(id_in(connection, launcher.c.id, ids))
    return {row.id: row.heartbeat_at for row in connection.execute(statement)} if ids else {}


def _is_dead(one: Launcher, stale_after_seconds: float, is_gone: LivenessOf) -> bool:
    if one.ended:
        return True
    verdict = is_gone(one)
    if verdict is Evidence.GONE_FOR_CERTAIN or verdict is True:
        return True
    return verdict is Evidence.GONE and one.heartbeat_age_seconds > stale_after_seconds


def _may_survive(one: Launcher) -> bool:
    """Whether what it holds may still run, and a successor may still come: one that ended gave all back."""
    is_recent = one.heartbeat_age_seconds < SURVIVOR_SILENCE_SECONDS
    return bool(one.identity.survives_in) and not one.ended and is_recent
