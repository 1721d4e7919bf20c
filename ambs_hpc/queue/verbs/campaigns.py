"""Campaigns are created, and belong to at most one live search."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from ambs_hpc.errors import CampaignConflict, NotFound
from ambs_hpc.queue.reads.campaigns import find_campaign
from ambs_hpc.queue.reads.revisions import definition_values
from ambs_hpc.queue.schema.tables import campaign, campaign_progress
from ambs_hpc.queue.sql.clock import now, read_now
from ambs_hpc.queue.sql.row_mapping import campaign_value
from ambs_hpc.queue.verbs.revisions import NewRevision, add_revision
from ambs_hpc.records import Campaign, NewCampaign


def create_campaign(connection: Connection, new: NewCampaign, who: str = "") -> Campaign:
    """Store a campaign, `who` makes it; after an error the transaction can only be rolled back.

    Raises:
        CampaignConflict: one of that name exists.
    """
    values = {"name": new.name, "uid": new.uid, **definition_values(new)}
    if find_campaign(connection, new.name) is not None:
        raise CampaignConflict(_exists(new.name))
    statement = insert(campaign).values(**values, created_at=now(connection))
    try:
        row = connection.execute(statement.returning(*campaign.c)).one()
    except IntegrityError as error:
        if "uq_campaign_name" in str(error.orig) or "campaign.name" in str(error.orig):
            raise CampaignConflict(_exists(new.name)) from error  # made by another program a moment ago
        raise
    connection.execute(
        insert(campaign_progress).values(
            campaign_id=row.id, enqueued=0, done=0, failed=0, cancelled=0, finish_sequence=0
        )
    )
    made = campaign_value(row)
    add_revision(connection, made.id, made.revision, NewRevision(made, new, who, []), {})
    return made


def take_search(
    connection: Connection,
    campaign_id: int,
    owner: str,
    *,
    stale_after_seconds: float,
    is_gone: Callable[[str], bool | None],
) -> bool:
    """Make `owner` the campaign's only search; False while another live one holds it.

    Args:
        owner: "host:pid:process_started".
        stale_after_seconds: a heartbeat older than this decides when `is_gone` cannot.
        is_gone: whether an owner's process has ended; None when it cannot be asked from here. Must answer at
            once: a row is locked meanwhile.
    """
    progress = campaign_progress.c
    held = connection.execute(
        select(progress.search_owner, progress.search_heartbeat_at)
        .where(progress.campaign_id == campaign_id)
        .with_for_update()
    ).one_or_none()
    if held is None:
        raise NotFound(f"There is no campaign with id {campaign_id}.")
    if held.search_owner not in (None, owner):
        gone = is_gone(held.search_owner)
        if gone is None:
            # In the future when the database's clock was set back; a search that lives corrects it soon.
            gone = abs(read_now(connection) - held.search_heartbeat_at) > stale_after_seconds
        if not gone:
            return False
    connection.execute(
        update(campaign_progress)
        .where(progress.campaign_id == campaign_id)
        .values(search_owner=owner, search_heartbeat_at=now(connection))
    )
    return True


def search_heartbeat(connection: Connection, campaign_id: int, owner: str) -> bool:
    """Store that the search is alive; False when another search has taken the campaign."""
    progress = campaign_progress.c
    statement = (
        update(campaign_progress)
        .where(progress.campaign_id == campaign_id, progress.search_owner == owner)
        .values(search_heartbeat_at=now(connection))
    )
    return connection.execute(statement).rowcount == 1


def leave_search(connection: Connection, campaign_id: int, owner: str) -> None:
    """Free the campaign for another search; nothing changes when `owner` does not hold it."""
    progress = campaign_progress.c
    connection.execute(
        update(campaign_progress)
        .where(progress.campaign_id == campaign_id, progress.search_owner == owner)
        .values(search_owner=None, search_heartbeat_at=None)
    )


def _exists(name: str) -> str:
    return f"There is a campaign {name!r} already. Go on with it, or give the new one another name."
