"""Looks at campaigns, claims what is to be told, and sends it; its failures hurt nobody."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
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

    from ambs_hpc.problem.goals import Goals
    from ambs_hpc.queue import EvaluationRow, NoticeCounts, StoredNotice
    from ambs_hpc.records import Campaign

logger = logging.getLogger(__name__)

FOLDER_FILE = "ambs.yml"
OLD_SECONDS = 60.0  # before the first look at a campaign of which nothing was told
MOST_TRIES = 3  # to claim a whole notice; after that the next look has it


class _ClaimedInPart(Exception):
    """Of what a notice tells, another process has claimed a part since it was read."""


class Notifier:
    """Tells one user of campaigns, as the file of one folder says."""

    def __init__(self, engine: Engine, targets: Targets, events: Collection[str]) -> None:
        self._engine, self._targets, self._events = engine, targets, events
        self._audience = user_name()
        self._has_failed = False
        # What was found at the last look; nothing of it changes while these counts do not.
        self._seen: dict[int, tuple[NoticeCounts, EvaluationRow | None]] = {}
        self._told_from: dict[int, float] = {}

    def look(self, campaign_ids: Sequence[int], exhausted: Collection[int] = (), gave_up: str = "") -> None:
        """Tell what is due of these campaigns.

        Args:
            exhausted: ids of those of which their search says that nothing more can be proposed.
            gave_up: why the program asks for no more allocations, though evaluations wait; "" if it does.

        Raises:
            DatabaseError: it could not be asked; what was not told is found again at the next look.
        """
        for campaign_id in campaign_ids:
            for _ in range(MOST_TRIES):
                if self._tell_what_is_due(campaign_id, gave_up, is_exhausted=campaign_id in exhausted):
                    break

    def _tell_what_is_due(self, campaign_id: int, gave_up: str, *, is_exhausted: bool) -> bool:
        """False where it has to be read again, since another process tells a part of a notice."""
        with queue.reading(self._engine) as connection:
            found = self._read(connection, campaign_id, is_exhausted=is_exhausted)
        if found is None:
            return True
        campaign, reading = found[0], replace(found[1], gave_up=gave_up)
        try:
            for due in due_notices(reading, self._events):
                self._tell(campaign, due)
        except _ClaimedInPart:
            return False
        self._seen[campaign_id] = reading.counts, reading.best
        return True

    def _read(
        self, connection: Connection, campaign_id: int, *, is_exhausted: bool
    ) -> tuple[Campaign, CampaignReading] | None:
        """What is needed to see what is due; None where the campaign has gone."""
        try:
            campaign = queue.get_campaign(connection, campaign_id)
        except NotFound:
            return None
        counts = queue.notice_counts(connection, campaign_id)
        if counts is None:
            return None
        told = queue.notices_of(connection, campaign_id, self._audience)
        now = queue.read_now(connection)
        # Without a notice of it so far, what has ended long ago is no news to anybody.
        told_from = self._told_from.setdefault(campaign_id, 0.0 if told else now - OLD_SECONDS)
        seen, best = self._seen.get(campaign_id, (None, None))
        is_new = seen != counts
        goals = queue.goals_of_stored(campaign)
        failures = queue.failures(connection, campaign_id) if is_new and "failure" in self._events else []
        return campaign, CampaignReading(
            name=campaign.name,
            objective=goals.names[0] if goals.has_several else "",
            budget=campaign.definition.max_evaluations,
            counts=counts,
            best=_feasible_best(connection, campaign_id, goals) if is_new else best,
            failures=failures,
            waiting=queue.waiting_work(connection, campaign_id, STALE_AFTER_SECONDS),
            told={one.key for one in told},
            best_told_seconds=_seconds_since_best(told, now),
            is_exhausted=is_exhausted,
            is_bounded=bool(goals.constraints),
            told_from=told_from,
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
            if ours and len(ours) < len(due.keys):
                raise _ClaimedInPart  # and give back what was claimed
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
    notify = read_folder(folder, only_ours=True).notify  # of the very file that was looked at
    try:
        address = webhook_address(notify, folder)
    except UsageError as error:
        warn(str(error))
        address = ""
    if not (notify.command or address):
        return None
    return Notifier(engine, Targets(notify.command, folder, address), frozenset(notify.events))


def _feasible_best(connection: Connection, campaign_id: int, goals: Goals) -> EvaluationRow | None:
    """The best by the first objective; None where it breaks a constraint, as then all others do."""
    found = next(iter(queue.best(connection, campaign_id, 1)), None)
    if found is None or goals.feasibility(found.objective, found.metrics).verdict == "no":
        return None
    return found


def _seconds_since_best(told: Sequence[StoredNotice], now: float) -> float:
    times = [one.at for one in told if one.kind == "best"]
    return now - max(times) if times else float("inf")
