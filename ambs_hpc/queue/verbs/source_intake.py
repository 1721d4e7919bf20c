"""A campaign gets a source, once for each name."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from ambs_hpc.queue.schema.tables import campaign_progress, source, source_observation
from ambs_hpc.queue.sql.clock import now
from ambs_hpc.queue.sql.row_mapping import json_value
from ambs_hpc.records import Source

ROWS_AT_ONCE = 1000


def add_source(connection: Connection, campaign_id: int, new: Source) -> bool:
    """Keep a source with the campaign; False, and nothing is stored, where it has one of that name."""
    progress = campaign_progress.c
    # The lock of the campaign: of two programs that bring the same source, one stores it.
    connection.execute(
        select(progress.campaign_id).where(progress.campaign_id == campaign_id).with_for_update()
    )
    known = select(source.c.id).where(source.c.campaign_id == campaign_id, source.c.name == new.name)
    if connection.execute(known).first() is not None:
        return False
    values = {"campaign_id": campaign_id, "name": new.name, "direction": new.direction}
    statement = insert(source).values(**values, created_at=now(connection))
    source_id = connection.execute(statement.returning(source.c.id)).scalar_one()
    rows = [
        {
            "source_id": source_id,
            "ordinal": ordinal,
            "configuration": json_value(one.configuration),
            "objective": one.objective,
        }
        for ordinal, one in enumerate(new.observations)
    ]
    for first in range(0, len(rows), ROWS_AT_ONCE):
        connection.execute(insert(source_observation), rows[first : first + ROWS_AT_ONCE])
    return True
