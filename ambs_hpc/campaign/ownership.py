"""A search's hold on its campaign: at most one has it, and it is of the database that the search has read."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ambs_hpc import identity
from ambs_hpc.clock import Clock
from ambs_hpc.errors import CampaignConflict, DatabaseRefused
from ambs_hpc.queue import (
    campaign_uid,
    database_uid,
    leave_search,
    marks_of,
    search_heartbeat,
    take_search,
)
from ambs_hpc.records import Campaign
from ambs_hpc.timing import SEARCH_HEARTBEAT_SECONDS, STALE_AFTER_SECONDS

if TYPE_CHECKING:
    from sqlalchemy import Connection


class BehindDatabase(Exception):
    """What the search knows is not what the database has; `level` is how much that matters to a person."""

    def __init__(self, message: str, level: int = logging.WARNING) -> None:
        super().__init__(message)
        self.level = level


@dataclass(frozen=True, slots=True)
class SeenMarks:
    """How far a campaign was when its search read it last.

    Args:
        proposed: by the search.
        cursor: the latest finish sequence.
        revision: of the campaign.
        added: evaluations that people added.
        sources: from which the search starts warm.
    """

    proposed: int
    cursor: int
    revision: int
    added: int
    sources: int


class Ownership:
    """Takes a campaign, says that its search lives, and notices when either is not true any more."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._owner = clock, str(identity.this_process())
        self._database_uid = ""  # of the first database that was seen
        self._last_heartbeat = float("-inf")

    @property
    def is_heartbeat_due(self) -> bool:
        """Whether to say that the search lives."""
        return self._clock.monotonic() - self._last_heartbeat >= SEARCH_HEARTBEAT_SECONDS

    def take(self, connection: Connection, campaign: Campaign) -> None:
        """The campaign is this search's.

        Raises:
            CampaignConflict: another live search has it.
            DatabaseRefused: another database stands at its address.
        """
        self._refuse_another_database(connection, campaign)
        taken = take_search(
            connection,
            campaign.id,
            self._owner,
            stale_after_seconds=STALE_AFTER_SECONDS,
            is_gone=lambda owner: identity.is_gone(identity.ProcessIdentity.parse(owner)),
        )
        if not taken:
            raise CampaignConflict(
                f"Another search of campaign {campaign.name!r} is alive. Wait for it or stop it; "
                "any number of launchers may serve it: `ambs launch`."
            )

    def leave(self, connection: Connection, campaign: Campaign) -> None:
        """Another search can take the campaign at once."""
        leave_search(connection, campaign.id, self._owner)

    def check(
        self, connection: Connection, campaign: Campaign, seen: SeenMarks, *, says_it_lives: bool
    ) -> int:
        """Make sure that the database knows all that was seen in it, and that the campaign is ours.

        Returns:
            how many proposals the campaign has.

        Raises:
            BehindDatabase: it went back to an older copy, or the campaign was revised or another search's.
            DatabaseRefused: another database stands at its address.
        """
        if says_it_lives:
            self._refuse_another_database(connection, campaign)
            # It locks what a revision locks: what is enqueued after it is of the revision that is seen below.
            if not search_heartbeat(connection, campaign.id, self._owner):
                raise BehindDatabase("the campaign is not this search's any more")
        marks = marks_of(connection, campaign.id)
        own = marks.enqueued - marks.added
        if own < seen.proposed or marks.sequence < seen.cursor:
            raise BehindDatabase(f"the database went back: it has {own} of {seen.proposed} proposals")
        if marks.revision != seen.revision:
            raise BehindDatabase(f"the campaign is at revision {marks.revision} now")
        # It begins again as a search that starts now would: with them before its own proposals.
        if marks.sources != seen.sources:
            raise BehindDatabase(f"the campaign has {marks.sources} sources now", level=logging.INFO)
        if marks.added != seen.added:
            said = f"people have added {marks.added} evaluations, {seen.added} before"
            raise BehindDatabase(said, level=logging.INFO)
        if says_it_lives:
            self._last_heartbeat = self._clock.monotonic()
        return own

    def _refuse_another_database(self, connection: Connection, campaign: Campaign) -> None:
        uid = database_uid(connection)
        self._database_uid = self._database_uid or uid
        is_ours = campaign_uid(connection, campaign.id) == campaign.definition.uid
        if uid != self._database_uid or not is_ours:
            raise DatabaseRefused(
                f"Another database, or one without campaign {campaign.name!r}, stands where its own "
                "stood. Put that one back; nothing was written to this one."
            )
