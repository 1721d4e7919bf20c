"""`ambs best`: the best configurations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ambs_hpc.cli.shared.options import AsJson, CampaignName, Database, Limit
from ambs_hpc.records import IMPORTED

if TYPE_CHECKING:
    from ambs_hpc.queue import EvaluationRow


def best(
    campaign: CampaignName = None, limit: Limit = 1, db: Database = None, as_json: AsJson = False
) -> None:
    """The best configurations of every campaign, best first."""
    from dataclasses import asdict

    from ambs_hpc import queue
    from ambs_hpc.cli.shared.options import named_campaign, open_engine
    from ambs_hpc.cli.shared.output import print_json, print_table
    from ambs_hpc.errors import NotFound

    with queue.reading(open_engine(db)) as connection:
        only = named_campaign(connection, campaign)
        chosen = [only] if only else queue.list_campaigns(connection)
        rows = [row for one in chosen for row in queue.best(connection, one.id, limit)]
    if not rows:
        raise NotFound("No evaluation is done yet; `ambs status` shows how they stand.")
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    columns: tuple[str, ...] = ("campaign", "id", "objective", "configuration")
    if any(row.proposal_kind == IMPORTED for row in rows):
        columns = (*columns, "from")
    print_table(columns, (_cells(row)[: len(columns)] for row in rows))


def _cells(row: EvaluationRow) -> tuple[object, ...]:
    origin = "imported" if row.proposal_kind == IMPORTED else "here"
    return row.campaign, row.id, row.objective, dict(row.configuration), origin
