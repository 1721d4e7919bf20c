"""What a launcher or a search found of the sources and programs that it runs is kept, once for all alike."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from ambs_hpc.queue.schema.tables import campaign, launcher
from ambs_hpc.queue.schema.watch_tables import provenance, provenance_use
from ambs_hpc.queue.sql.clock import now
from ambs_hpc.queue.sql.row_mapping import json_value, text_value


def insert_unless_there(connection: Connection, table: Any) -> Any:
    """An insert that does nothing where a unique constraint already has such a row."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()


def note_provenance(
    connection: Connection,
    campaign_id: int,
    launcher_id: int | None,
    facts: Mapping[str, object],
    host: str,
) -> bool:
    """Store what was found, unless the last that the same one found for this revision was the same.

    Nothing is stored for a campaign or launcher that this database does not know, as after going back to an
    older copy.

    Args:
        launcher_id: None for the campaign's search.
        facts: JSON values; without secrets, since everybody who reads the database reads them.
        host: where.

    Returns:
        Whether it was stored.
    """
    revision = connection.execute(
        select(campaign.c.revision).where(campaign.c.id == campaign_id)
    ).scalar_one_or_none()
    if revision is None or not _is_known(connection, launcher_id):
        return False
    stored = json_value(facts)
    digest = hashlib.sha256(json.dumps(stored, sort_keys=True).encode()).hexdigest()[:32]
    use = provenance_use.c
    newest = connection.execute(
        select(use.digest, use.revision)
        .where(use.campaign_id == campaign_id, use.launcher_id.is_not_distinct_from(launcher_id))
        .order_by(use.id.desc())
        .limit(1)
    ).one_or_none()
    if newest is not None and (newest.digest, newest.revision) == (digest, revision):
        return False
    connection.execute(insert_unless_there(connection, provenance), {"digest": digest, "facts": stored})
    connection.execute(
        insert(provenance_use).values(
            campaign_id=campaign_id,
            revision=revision,
            launcher_id=launcher_id,
            digest=digest,
            host=text_value(host),
            at=now(connection),
        )
    )
    return True


def _is_known(connection: Connection, launcher_id: int | None) -> bool:
    if launcher_id is None:
        return True
    known = select(launcher.c.id).where(launcher.c.id == launcher_id)
    return connection.execute(known).one_or_none() is not None
