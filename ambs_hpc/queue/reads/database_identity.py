"""Which database this is, whatever stands at its address."""

from __future__ import annotations

from sqlalchemy import Connection, select

from ambs_hpc.queue.schema.tables import campaign, database_identity


def database_uid(connection: Connection) -> str:
    """The random identity that the database got when its tables were made; copies of it have the same."""
    return str(connection.execute(select(database_identity.c.uid)).scalar_one())


def campaign_uid(connection: Connection, campaign_id: int) -> str | None:
    """The campaign's random identity; None when there is none of this id.

    In a database that went back to an older copy the id may have been given again.
    """
    found = connection.execute(select(campaign.c.uid).where(campaign.c.id == campaign_id)).scalar()
    return None if found is None else str(found)
