"""With which sources and programs a campaign was searched and run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from ambs_hpc.queue.schema.watch_tables import provenance, provenance_use
from ambs_hpc.queue.sql.stored_values import object_or_empty

MOST_USES = 2000  # of a campaign that are read, the newest


@dataclass(frozen=True, slots=True)
class ProvenanceUse:
    """What a launcher, or a search, found of sources and programs.

    Args:
        launcher_id: None for the search.
        revision: of the campaign at that time.
        at: seconds since 1970 UTC.
        digest: equal where the facts are.
    """

    campaign_id: int
    revision: int
    launcher_id: int | None
    host: str
    at: float
    digest: str
    facts: Mapping[str, object]


def provenance_of(connection: Connection, campaign_id: int, most: int = MOST_USES) -> list[ProvenanceUse]:
    """What was found for a campaign, oldest first; of very many the newest."""
    use = provenance_use.c
    rows = connection.execute(
        select(use.campaign_id, use.revision, use.launcher_id, use.host, use.at, use.digest)
        .where(use.campaign_id == campaign_id)
        .order_by(use.id.desc())
        .limit(most)
    ).all()
    digests = sorted({row.digest for row in rows})
    facts: dict[str, Mapping[str, object]] = {}
    for first in range(0, len(digests), 500):
        some = provenance.c.digest.in_(digests[first : first + 500])
        facts |= {
            row.digest: object_or_empty(row.facts, "provenance", row.digest, "facts")
            for row in connection.execute(select(provenance).where(some))
        }
    return [ProvenanceUse(**row._asdict(), facts=facts.get(row.digest, {})) for row in reversed(rows)]
