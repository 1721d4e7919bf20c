"""What dead launchers hold goes back to the queue; a launcher whose heartbeat is late is not yet dead."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum

from sqlalchemy import Connection, select

from ambs_hpc.queue.reads.launchers import holders
from ambs_hpc.queue.reads.leases import Lease, held
from ambs_hpc.queue.schema.tables import evaluation, is_running, launcher
from ambs_hpc.queue.sql.bulk import id_in
from ambs_hpc.queue.verbs.counters import CounterChanges
from ambs_hpc.queue.verbs.release import Interruption, lock_rows, release_rows
from ambs_hpc.records import Launcher
from ambs_hpc.states import Move, State
from ambs_hpc.timing import SURVIVOR_SILENCE_SECONDS


class Evidence(Enum):
    """What is known about a launcher by other means than its heartbeat."""

    ALIVE = "alive"  # its process or its allocation was seen to run
    GONE_FOR_CERTAIN = "gone for certain"  # its process ran on this host and has ended: swept at once
    GONE = "gone"  # the scheduler does not know the allocation any more, or there is none to ask about
    UNKNOWN = "unknown"  # nobody could be asked: nothing changes


LivenessOf = Callable[[Launcher], "Evidence | bool | None"]


@dataclass(frozen=True, slots=True)
class Released:
    """A `Lease` that was taken away: READY again, PAUSED where it was to be, or FAILED as LOST."""

    id: int
    campaign_id: int
    ordinal: int
    attempt: int
    launcher_id: int
    run_directory: str
    state: State


def held_by_dead(connection: Connection, *, stale_after_seconds: float, is_gone: LivenessOf) -> list[Lease]:
    """The evaluations that dead launchers hold: their results on disk should be read before the sweep.

    These are the evaluations that `sweep` with the same arguments would take, and those that it leaves
    because they survive their launcher. Report a result that was found by `complete` or `fail` with the dead
    launcher's id, or after the sweep as a late one.
    """
    dead = dead_holders(connection, stale_after_seconds, is_gone)
    return held(connection, [one.id for one in dead]) if dead else []


def sweep(
    connection: Connection,
    *,
    stale_after_seconds: float,
    is_gone: LivenessOf,
    leases: Collection[Lease] | None = None,
) -> list[Released]:
    """Take from dead launchers what they hold; each counts as an interruption.

    A launcher is dead when it ended in order, when the evidence is certain, or when its heartbeat is late by
    the database's clock and the evidence says that it is gone. Evaluations that survive their launcher are
    left for its successor for `SURVIVOR_SILENCE_SECONDS`.

    Args:
        stale_after_seconds: age of a heartbeat from which it is late.
        is_gone: the evidence about a launcher. True stands for GONE_FOR_CERTAIN, False for ALIVE and None for
            UNKNOWN. It must answer from memory, because a transaction is open: ask processes and schedulers
            about the `holders` before.
        leases: only these: those of which it is known that they left no result. None for all.
    """
    found = dead_holders(connection, stale_after_seconds, is_gone)
    dead = _last_heartbeats(connection, [one.id for one in found if not _may_survive(one)])
    if not dead:
        return []
    mine = id_in(connection, evaluation.c.launcher_id, dead)
    ids = connection.execute(select(evaluation.c.id).where(is_running, mine)).scalars().all()
    counters = CounterChanges.of_evaluations(connection, ids)
    rows = lock_rows(connection, is_running, mine, id_in(connection, evaluation.c.id, ids))
    if leases is not None:
        read = {(one.id, one.attempt) for one in leases}
        rows = [row for row in rows if (row.id, row.attempt) in read]
    interruptions = [Interruption(row, dead[row.launcher_id]) for row in rows]
    release_rows(connection, interruptions, counters, Move.SWEEP, "launcher died")
    return [
        Released(
            one.row.id,
            one.row.campaign_id,
            one.row.ordinal,
            one.row.attempt,
            one.row.launcher_id,
            one.row.run_directory,
            _state_after(one),
        )
        for one in interruptions
    ]


def _state_after(one: Interruption) -> State:
    if one.is_held_back:
        return State.PAUSED
    return State.FAILED if one.is_one_too_many else State.READY


def dead_holders(connection: Connection, stale_after_seconds: float, is_gone: LivenessOf) -> list[Launcher]:
    """The dead launchers that hold evaluations; the arguments are those of `sweep`."""
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
    # A heartbeat from the future is of before the database's clock was set back; who lives corrects it soon.
    return verdict is Evidence.GONE and abs(one.heartbeat_age_seconds) > stale_after_seconds


def _may_survive(one: Launcher) -> bool:
    """Whether what it holds may still run, and a successor may still come.

    A launcher that ended in order has released everything that it does not hand on.
    """
    is_recent = one.heartbeat_age_seconds < SURVIVOR_SILENCE_SECONDS
    return bool(one.identity.survives_in) and not one.ended and is_recent
