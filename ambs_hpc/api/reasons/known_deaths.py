"""Which launchers and searches are dead for certain: their processes were of this host, and are gone.

Of those elsewhere only their silence is known, which is waited for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ambs_hpc import identity
from ambs_hpc.launcher.recovery import evidence
from ambs_hpc.queue import Evidence, is_search_alive, search_owner
from ambs_hpc.timing import STALE_AFTER_SECONDS

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ambs_hpc.records import Launcher


def is_launcher_dead(one: Launcher) -> bool:
    """Whether it has died without a word; one that said its end is none of these."""
    return not one.ended and evidence(one, {}) is Evidence.GONE_FOR_CERTAIN


def has_living_search(connection: Connection, campaign_id: int) -> bool:
    """Whether a search of the campaign gives signs of life, and is not known to be dead."""
    if not is_search_alive(connection, campaign_id, STALE_AFTER_SECONDS):
        return False
    owner = search_owner(connection, campaign_id)
    return not owner or not identity.is_gone(identity.ProcessIdentity.parse(owner))
