"""Stores with which sources and programs a process runs, for each campaign and revision that it meets."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ambs_hpc import queue
from ambs_hpc.beside.followed_campaigns import is_registered
from ambs_hpc.errors import NotFound
from ambs_hpc.provenance.facts import provenance_facts

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.queue import CampaignVersion


class ProvenanceRecorder:
    """What one launcher, or one search, finds."""

    def __init__(self, engine: Engine, launcher_id: int | None) -> None:
        self._engine, self._launcher_id = engine, launcher_id
        self._done: dict[int, CampaignVersion | None] = {}

    def look(self, campaign_ids: Sequence[int]) -> None:
        """Store it for those of these campaigns that are new, or were revised.

        Folders are looked at only where this user has registered the objective, whatever a row says.

        Raises:
            DatabaseError: it could not be asked; the next look tries again.
        """
        for campaign_id in campaign_ids:
            with queue.reading(self._engine) as connection:
                version = queue.campaign_version(connection, campaign_id)
                if version is None or self._done.get(campaign_id) == version:
                    continue
                try:
                    definition = queue.get_campaign(connection, campaign_id).definition
                except NotFound:
                    continue
            if is_registered(definition):
                facts = provenance_facts(Path(definition.directory), os.environ)
                host = socket.gethostname()
                with queue.transaction(self._engine) as connection:
                    queue.note_provenance(connection, campaign_id, self._launcher_id, facts, host)
            self._done[campaign_id] = version
