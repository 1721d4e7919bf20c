"""Which database this is, whatever stands at its address."""

from __future__ import annotations

from sqlalchemy import Connection, select

from ambs_hpc.queue.schema.tables import database_identity


def database_uid(connection: Connection) -> str:
    """The random identity that the database got when its tables were made; copies of it have the same."""
    return str(connection.execute(select(database_identity.c.uid)).scalar_one())
