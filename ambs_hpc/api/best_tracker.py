"""The best objective of a campaign, for a display that asks at every step."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from ambs_hpc.errors import DatabaseLocked, DatabaseUnreachable
from ambs_hpc.queue import best_feasible, get_campaign, reading

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.campaign import Progress
    from ambs_hpc.records import Campaign

BEST_SECONDS = 1.0
MOST_SHARE = 0.05  # of the time that is spent on asking: it is long where nothing of many results is feasible


class BestTracker:
    """The best feasible objective, the first of several, asked for at most once a second."""

    def __init__(self, engine: Engine, campaign: Campaign) -> None:
        self._engine, self._campaign = engine, campaign
        self._value: float | None = None
        self._next_at = float("-inf")

    def value(self, progress: Progress) -> float | None:
        """The best objective so far, or None; the last known one while the database is away."""
        began = time.monotonic()
        if began >= self._next_at and not progress.database_away:
            with contextlib.suppress(DatabaseUnreachable, DatabaseLocked):  # the search's next step waits
                self._value = self._asked()
            ended = time.monotonic()
            self._next_at = ended + max(BEST_SECONDS, (ended - began) / MOST_SHARE)
        return self._value

    def _asked(self) -> float | None:
        with reading(self._engine) as connection:
            campaign = get_campaign(connection, self._campaign.id)  # its constraints may have been revised
            rows = best_feasible(connection, campaign)
        return rows[0].objective if rows else None
