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
    from ambs_hpc.api.outside_note import outside_note
    from ambs_hpc.cli.shared.options import named_campaign, open_engine
    from ambs_hpc.cli.shared.output import print_json, print_table
    from ambs_hpc.errors import NotFound

    with queue.reading(open_engine(db)) as connection:
        only = named_campaign(connection, campaign)
        chosen = [only] if only else queue.list_campaigns(connection)
        found = [(one, row) for one in chosen for row in queue.best(connection, one.id, limit)]
    if not found:
        raise NotFound("No evaluation is done yet; `ambs status` shows how they stand.")
    rows = [row for _, row in found]
    notes = [outside_note(one, row.configuration) for one, row in found]
    if as_json:
        print_json([{**asdict(row), "note": note} for row, note in zip(rows, notes, strict=True)])
        return
    columns = ["campaign", "id", "objective", "configuration"]
    cells: list[list[object]] = [_cells(row) for row in rows]
    if any(row.proposal_kind == IMPORTED for row in rows):
        columns.append("from")
        for line, row in zip(cells, rows, strict=True):
            line.append("imported" if row.proposal_kind == IMPORTED else "here")
    if any(notes):
        columns.append("note")
        for line, note in zip(cells, notes, strict=True):
            line.append(note)
    print_table(columns, cells)


def _cells(row: EvaluationRow) -> list[object]:
    return [row.campaign, row.id, row.objective, dict(row.configuration)]
