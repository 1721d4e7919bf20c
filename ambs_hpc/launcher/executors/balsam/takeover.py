"""A launcher on Balsam begins where its predecessor stopped: leases, jobs, and what nobody wants any more."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from ambs_hpc.launcher.database_wait import BY_HAND_SECONDS, once_it_answers
from ambs_hpc.launcher.executors.balsam.messages import Books, Key
from ambs_hpc.launcher.recovery import liveness_of
from ambs_hpc.queue import adopt, ended_attempts, held, list_campaigns, reading, transaction
from ambs_hpc.records import Campaign, Claim

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.launcher.executors.balsam.executor import BalsamExecutor
    from ambs_hpc.launcher.loop import LauncherLoop

logger = logging.getLogger(__name__)


def succeed(
    engine: Engine,
    launcher_id: int,
    loop: LauncherLoop,
    executor: BalsamExecutor,
    only: Sequence[int] | None,
    stale_after_seconds: float,
) -> None:
    """Hold what launchers of the same site that died held, and have their other jobs ended.

    Args:
        only: ids of the campaigns that we serve; None serves all.
    """

    def take_over() -> tuple[list[Claim], list[Campaign]]:
        is_gone = liveness_of(engine, stale_after_seconds)
        with transaction(engine) as connection:
            adopted = adopt(
                connection,
                launcher_id,
                stale_after_seconds=stale_after_seconds,
                is_gone=is_gone,
                campaign_ids=only,
            )
            served = [one for one in list_campaigns(connection) if only is None or one.id in only]
        return adopted, served

    def resume() -> None:
        with reading(engine) as connection:
            loop.resume(connection, adopted)

    adopted, served = once_it_answers(take_over, seconds=BY_HAND_SECONDS)
    once_it_answers(resume, seconds=BY_HAND_SECONDS)

    def books(keys: Collection[Key]) -> Books:
        with reading(engine) as connection:
            return Books(
                held={(one.id, one.attempt) for one in held(connection)},
                ended=ended_attempts(connection, [evaluation_id for evaluation_id, _ in keys]),
            )

    executor.succeed(
        {(one.id, one.attempt) for one in adopted}, [one.definition.run_directory for one in served], books
    )
    if adopted:
        logger.info("taken up from launchers that died number=%d", len(adopted))
