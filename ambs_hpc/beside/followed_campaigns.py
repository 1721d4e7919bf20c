"""Of which campaigns somebody tells who serves all of them, and begins or ends none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ambs_hpc import queue
from ambs_hpc.errors import ObjectiveNotAllowed
from ambs_hpc.identity import user_name
from ambs_hpc.problem.allow_list import is_allowed
from ambs_hpc.states import State
from ambs_hpc.timing import STALE_AFTER_SECONDS

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ambs_hpc.records import Campaign, NewCampaign


class FollowedCampaigns:
    """Campaigns of this user that go on, and those of which the user was told before.

    What was over before anybody was to be told of it is history: it is told to nobody.

    Args:
        name: of the only one to be looked at; None for all.
    """

    def __init__(self, engine: Engine, name: str | None = None) -> None:
        self._engine, self._name, self._audience = engine, name, user_name()
        self._met: set[int] = set()

    def ids(self) -> list[int]:
        """By now; one that was met stays.

        Raises:
            DatabaseError: it could not be asked.
        """
        with queue.reading(self._engine) as connection:
            for one in queue.list_campaigns(connection):
                if one.id not in self._met and self._is_followed(connection, one):
                    self._met.add(one.id)
        return sorted(self._met)

    def _is_followed(self, connection: Connection, one: Campaign) -> bool:
        if self._name not in (None, one.name) or not is_registered(one.definition):
            return False
        number = queue.counts(connection, one.id)
        return bool(
            number.get(State.READY, 0)
            or number.get(State.RUNNING, 0)
            or queue.is_search_alive(connection, one.id, STALE_AFTER_SECONDS)
            or queue.notices_of(connection, one.id, self._audience)
        )


def is_registered(definition: NewCampaign) -> bool:
    """Whether this user has registered the objective, so that the campaign concerns him."""
    try:
        return is_allowed(definition.objective, definition.directory)
    except ObjectiveNotAllowed:
        return False
