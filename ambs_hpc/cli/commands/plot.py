"""`ambs plot`: the figure of a campaign."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ambs_hpc.cli.shared.options import CampaignName, Database
from ambs_hpc.cli.shared.terminal import echo

Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help=".png, .pdf or .svg; by default CAMPAIGN.png."),
]


def plot(campaign: CampaignName = None, output: Output = None, db: Database = None) -> None:
    """Draw objective, best so far and running evaluations as an image, with the extra `figures`.

    `ambs report` needs no extra, and shows more.
    """
    from ambs_hpc import queue
    from ambs_hpc.cli.shared.options import named_campaign, open_engine
    from ambs_hpc.errors import UsageError, nearest
    from ambs_hpc.records import IMPORTED
    from ambs_hpc.reporting.figure import draw_campaign
    from ambs_hpc.reporting.series import EndedEvaluation

    with queue.reading(open_engine(db)) as connection:
        only = named_campaign(connection, campaign)
        known = queue.list_campaigns(connection)
        if only is None and len(known) != 1:
            names = [one.name for one in known]
            raise UsageError(f"Say which campaign: --campaign NAME. {nearest('', names)}")
        chosen = only or known[0]
        rows = queue.list_evaluations(connection, chosen.id, limit=None)
    ended = [
        EndedEvaluation(row.started_at, row.finished_at, row.objective)
        for row in rows
        if row.started_at is not None and row.finished_at is not None
    ]
    imported = [row.objective for row in rows if row.objective is not None and row.proposal_kind == IMPORTED]
    file = output or Path(f"{chosen.name}.png")
    draw_campaign(chosen.name, chosen.definition.direction, ended, file, imported)
    echo(f"Wrote {file}")
