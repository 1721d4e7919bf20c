"""The best objective of a campaign, for a display that asks at every step."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from ambs_hpc.api.objectives.goal_summary import why_infeasible
from ambs_hpc.errors import DatabaseLocked, DatabaseUnreachable
from ambs_hpc.queue import best, goals_of_stored, reading

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.campaign import Progress
    from ambs_hpc.records import Campaign

BEST_SECONDS = 1.0


class BestTracker:
    """The best feasible objective, the first of several, read from the database at most once a second."""

    def __init__(self, engine: Engine, campaign: Campaign) -> None:
        self._engine, self._campaign = engine, campaign
        self._value: float | None = None
        self._asked_at = float("-inf")

    def value(self, progress: Progress) -> float | None:
        """The best objective so far, or None; the last known one while the database is away."""
        if time.monotonic() - self._asked_at > BEST_SECONDS and not progress.database_away:
            self._asked_at = time.monotonic()
            with contextlib.suppress(DatabaseUnreachable, DatabaseLocked):  # the search's next step waits
                self._value = self._asked()
        return self._value

    def _asked(self) -> float | None:
        with reading(self._engine) as connection:
            rows = best(connection, self._campaign.id, 1)
        is_feasible = rows and not why_infeasible(goals_of_stored(self._campaign), rows[0])
        return rows[0].objective if is_feasible else None
