"""Looks at campaigns, claims what is to be told, and sends it; its failures hurt nobody."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ambs_hpc import queue
from ambs_hpc.beside.notice_delivery import Targets, deliver
from ambs_hpc.beside.notice_rules import CampaignReading, DueNotice, due_notices
from ambs_hpc.errors import NotFound, UsageError
from ambs_hpc.identity import user_name
from ambs_hpc.sites import is_only_ours, read_folder, webhook_address
from ambs_hpc.timing import STALE_AFTER_SECONDS

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ambs_hpc.queue import StoredNotice
    from ambs_hpc.records import Campaign

logger = logging.getLogger(__name__)

FOLDER_FILE = "ambs.yml"


class Notifier:
    """Tells one user of campaigns, as the file of one folder says."""

    def __init__(self, engine: Engine, targets: Targets, events: Collection[str]) -> None:
        self._engine, self._targets, self._events = engine, targets, events
        self._audience = user_name()
        self._has_failed = False
        self._seen: dict[int, tuple[int, ...]] = {}  # counters at the last look

    def look(self, campaign_ids: Sequence[int], exhausted: Collection[int] = ()) -> None:
        """Tell what is due of these campaigns.

        Args:
            exhausted: ids of those of which their search says that nothing more can be proposed.

        Raises:
            DatabaseError: it could not be asked; what was not told is found again at the next look.
        """
        for campaign_id in campaign_ids:
            with queue.reading(self._engine) as connection:
                found = self._read(connection, campaign_id, is_exhausted=campaign_id in exhausted)
            if found is None:
                continue
            campaign, reading = found
            for due in due_notices(reading, self._events):
                self._tell(campaign, due)
            self._seen[campaign_id] = _counters(reading)

    def _read(
        self, connection: Connection, campaign_id: int, *, is_exhausted: bool
    ) -> tuple[Campaign, CampaignReading] | None:
        """What is needed to see what is due; None where the campaign has gone."""
        try:
            campaign = queue.get_campaign(connection, campaign_id)
        except NotFound:
            return None
        numbers = queue.ended_and_enqueued(connection, campaign_id)
        if numbers is None:
            return None
        ended, enqueued, added, paused = numbers
        told = queue.notices_of(connection, campaign_id, self._audience)
        is_new = self._seen.get(campaign_id) != numbers
        failures = queue.failures(connection, campaign_id) if is_new and "failure" in self._events else []
        return campaign, CampaignReading(
            name=campaign.name,
            direction=campaign.definition.direction,
            budget=campaign.definition.max_evaluations,
            ended=ended,
            enqueued=enqueued,
            added=added,
            best=next(iter(queue.best(connection, campaign_id, 1)), None),
            failures=failures,
            waiting=queue.waiting_work(connection, campaign_id, STALE_AFTER_SECONDS),
            told={one.key for one in told},
            best_told_seconds=_seconds_since_best(told, queue.read_now(connection)),
            is_exhausted=is_exhausted,
            paused=paused,
        )

    def _tell(self, campaign: Campaign, due: DueNotice) -> None:
        with queue.transaction(self._engine) as connection:
            claimed = [
                queue.claim_notice(
                    connection, queue.NewNotice(campaign.id, self._audience, key, due.kind, due.text)
                )
                for key in due.keys
            ]
        ours = [one for one in claimed if one is not None]
        if not ours:
            return
        trouble = deliver(self._targets, self._content(campaign, due))
        if trouble and not self._has_failed:
            self._has_failed = True
            logger.warning("a notice was not sent, and no more is said of such here: %s", trouble)
        with queue.transaction(self._engine) as connection:
            for one in ours:
                queue.note_sent(connection, one, trouble)

    def _content(self, campaign: Campaign, due: DueNotice) -> dict[str, object]:
        return {
            "kind": due.kind,
            "text": due.text,
            "campaign": campaign.name,
            "campaign_uid": campaign.definition.uid,
            "database": self._engine.url.render_as_string(hide_password=True),
            **due.details,
        }


def notifier_of(engine: Engine, folder: Path, warn: Callable[[str], None]) -> Notifier | None:
    """The notifier that `notify` in ambs.yml of the folder asks for; None where it asks for none.

    Args:
        warn: is told why notices that are asked for are not sent.

    Raises:
        SiteInvalid: the file has an error.
    """
    notify = read_folder(folder).notify
    if not notify.tells:
        return None
    file = folder / FOLDER_FILE
    if not is_only_ours(file):
        warn(f"notify in {file}: no notices, since others can write this file. Own it and `chmod go-w` it.")
        return None
    try:
        address = webhook_address(notify, folder)
    except UsageError as error:
        warn(str(error))
        address = ""
    if not (notify.command or address):
        return None
    return Notifier(engine, Targets(notify.command, folder, address), frozenset(notify.events))


def _counters(reading: CampaignReading) -> tuple[int, int, int, int]:
    return reading.ended, reading.enqueued, reading.added, reading.paused


def _seconds_since_best(told: Sequence[StoredNotice], now: float) -> float:
    times = [one.at for one in told if one.kind == "best"]
    return now - max(times) if times else float("inf")
