"""What a dead launcher's evaluations left on disk counts; the rest goes back to the queue."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ambs_hpc import identity
from ambs_hpc.launcher.endings import read_outcome
from ambs_hpc.launcher.paths import attempt_folder
from ambs_hpc.launcher.process_executor import outcome_of
from ambs_hpc.queue import Evidence, Held, complete, fail, held_by_dead, reading, sweep, transaction
from ambs_hpc.records import Launcher, Outcome

if TYPE_CHECKING:
    from sqlalchemy import Engine

logger = logging.getLogger(__name__)


def harvest_and_sweep(engine: Engine, stale_after_seconds: float) -> int:
    """Report what dead launchers' evaluations left, release the others; how many were released.

    Files are read between two transactions, never within one.
    """
    with reading(engine) as connection:
        held = held_by_dead(connection, stale_after_seconds=stale_after_seconds, is_gone=evidence)
    if not held:
        return 0
    found = [(one.launcher_id, outcome) for one in held if (outcome := outcome_on_disk(one))]
    with transaction(engine) as connection:
        for launcher_id in {launcher_id for launcher_id, _ in found}:
            outcomes = [outcome for owner, outcome in found if owner == launcher_id]
            complete(connection, launcher_id, [one for one in outcomes if one.failure is None])
            fail(connection, launcher_id, [one for one in outcomes if one.failure is not None])
        swept = sweep(connection, stale_after_seconds=stale_after_seconds, is_gone=evidence)
    logger.info("dead launchers held=%d harvested=%d swept=%d", len(held), len(found), len(swept))
    return len(swept)


def outcome_on_disk(held: Held) -> Outcome | None:
    """The outcome that this attempt wrote before its launcher died, if it did."""
    report = read_outcome(attempt_folder(held.run_directory, held.ordinal, held.attempt), held.attempt)
    return None if report is None else outcome_of({**report, "id": held.id})


def evidence(launcher: Launcher) -> Evidence:
    """What can be known from this machine: its own processes, and nothing about others."""
    who = launcher.identity
    gone = identity.is_gone(identity.ProcessIdentity(who.host, who.pid, who.process_started))
    if gone is None:
        return Evidence.UNKNOWN
    return Evidence.GONE_FOR_CERTAIN if gone else Evidence.ALIVE
