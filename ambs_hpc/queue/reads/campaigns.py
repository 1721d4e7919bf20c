"""Campaigns as they are stored, and whether a search of theirs lives."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, or_, select

from ambs_hpc.errors import NotFound
from ambs_hpc.queue.schema.tables import campaign, campaign_progress
from ambs_hpc.queue.sql.clock import now
from ambs_hpc.queue.sql.row_mapping import campaign_value
from ambs_hpc.queue.sql.stored_values import usable
from ambs_hpc.records import Campaign


def find_campaign(connection: Connection, name: str) -> Campaign | None:
    """The campaign of that name; None when there is none.

    Raises:
        RowUnusable: what is stored under that name is none.
    """
    row = connection.execute(select(campaign).where(campaign.c.name == name)).one_or_none()
    return None if row is None else campaign_value(row)


def get_campaign(connection: Connection, campaign_id: int) -> Campaign:
    """The campaign of that id.

    Raises:
        NotFound: there is none.
        RowUnusable: what is stored under that id is none.
    """
    row = connection.execute(select(campaign).where(campaign.c.id == campaign_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no campaign with id {campaign_id}; `ambs status` lists those there are.")
    return campaign_value(row)


def list_campaigns(connection: Connection) -> list[Campaign]:
    """All campaigns, oldest first; what is stored in place of one is told and left out."""
    return usable(connection.execute(select(campaign).order_by(campaign.c.id)), campaign_value)


def is_search_alive(connection: Connection, campaign_id: int | None, stale_after_seconds: float) -> bool:
    """Whether a search of the campaign, or of any when None, has a heartbeat that is not stale."""
    progress = campaign_progress.c
    statement = select(progress.campaign_id).where(
        progress.search_heartbeat_at >= now(connection) - stale_after_seconds
    )
    if campaign_id is not None:
        statement = statement.where(progress.campaign_id == campaign_id)
    return connection.execute(statement.limit(1)).first() is not None


def search_owner(connection: Connection, campaign_id: int) -> str:
    """Which process has the campaign's search, as it has named itself; "" for none."""
    progress = campaign_progress.c
    statement = select(progress.search_owner).where(progress.campaign_id == campaign_id)
    return connection.execute(statement).scalar() or ""


def has_unproposed(connection: Connection, campaign_ids: Sequence[int] | None) -> bool:
    """Whether the budget of any of these campaigns, of all when None, allows further proposals."""
    progress = campaign_progress.c
    # What people add is beyond the search's budget.
    statement = (
        select(campaign.c.id)
        .join(campaign_progress, progress.campaign_id == campaign.c.id)
        .where(
            or_(
                campaign.c.max_evaluations.is_(None),
                progress.enqueued - progress.added < campaign.c.max_evaluations,
            )
        )
    )
    if campaign_ids is not None:
        statement = statement.where(campaign.c.id.in_(campaign_ids))
    return connection.execute(statement.limit(1)).first() is not None
