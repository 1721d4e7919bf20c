"""The attempts that a launcher ends because they pause at a rung."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import replace

from ambs_hpc.launcher.campaigns import Campaigns
from ambs_hpc.launcher.executors.protocol import Executor, Interrupted
from ambs_hpc.records import Claim, Outcome

logger = logging.getLogger(__name__)

Pair = tuple[int, int]  # (id, attempt)


class RungPauses:
    """What is being ended for its pause; the launcher holds it until it is gone."""

    def __init__(self, executor: Executor, campaigns: Campaigns) -> None:
        self._executor, self._campaigns = executor, campaigns
        self._ending: set[Pair] = set()
        self.grace_seconds = 10.0  # between TERM and KILL

    def end(self, pairs: Collection[Pair], held: Mapping[int, Claim]) -> None:
        """TERM to those of the pairs that are held and have not had it yet."""
        mine = {(one.id, one.attempt) for one in held.values()}
        new = mine.intersection(pairs) - self._ending
        if new:
            ids = sorted(evaluation_id for evaluation_id, _ in new)
            logger.info("ended to pause ids=%s", ids)
            self._executor.cancel(ids, self.grace_seconds)
        self._ending = (self._ending | new) & mine

    def explained(self, claimed: Claim, ended: Outcome | Interrupted) -> Outcome | Interrupted:
        """What ended, as the end of a pause if it was one; a result is a result all the same."""
        pair = (ended.id, ended.attempt)
        if pair not in self._ending:
            return ended
        self._ending.discard(pair)
        if isinstance(ended, Outcome):
            return ended
        return replace(ended, paused_with=self._campaigns.checkpoint_folder(claimed))
