"""What a search reads of evaluations that are not complete: their values on rungs, each once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ambs_hpc.queue import RungResult, rung_results_since
from ambs_hpc.records import Configuration
from ambs_hpc.search.protocol import LearnsRungs, RungValue, Searcher

if TYPE_CHECKING:
    from sqlalchemy import Connection


class RungFeed:
    """The results on rungs of one campaign, for a searcher that begins with the first of them."""

    def __init__(self, campaign_id: int) -> None:
        self._campaign_id, self._cursor = campaign_id, 0

    def read(self, connection: Connection) -> list[RungResult]:
        """All that is new since what was told last."""
        found: list[RungResult] = []
        cursor = self._cursor
        while new := rung_results_since(connection, self._campaign_id, cursor):
            found += new
            cursor = new[-1].sequence
        return found

    def tell(
        self,
        searcher: Searcher,
        results: Sequence[RungResult],
        carried: Callable[[int, RungResult], Configuration | None],
    ) -> None:
        """The searcher learns them, if it can, as configurations of the newest space."""
        if not results:
            return
        if isinstance(searcher, LearnsRungs):
            found = [(carried(one.evaluation_id, one), one) for one in results]
            searcher.tell_rungs(
                [RungValue(fits, one.rung, one.value) for fits, one in found if fits is not None]
            )
        self._cursor = results[-1].sequence
