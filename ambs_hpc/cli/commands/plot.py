"""`ambs plot`: the figure of a campaign."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ambs_hpc.cli.shared.options import Database, OneCampaign
from ambs_hpc.cli.shared.terminal import echo

Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help=".png, .pdf or .svg; by default CAMPAIGN.png."),
]


Objective = Annotated[
    str | None,
    typer.Option("--objective", metavar="NAME", help="Of several objectives, this one against time."),
]


def plot(
    campaign: OneCampaign = None,
    output: Output = None,
    objective: Objective = None,
    db: Database = None,
) -> None:
    """Draw objective, best so far and running evaluations as an image; of several objectives the front.

    It needs the extra `figures`. `ambs report` needs none, and shows more.
    """
    from ambs_hpc import queue
    from ambs_hpc.cli.shared.options import one_campaign, open_engine
    from ambs_hpc.cli.shared.output import writing
    from ambs_hpc.records import IMPORTED
    from ambs_hpc.reporting.figure import draw_campaign
    from ambs_hpc.reporting.front_figure import draw_front
    from ambs_hpc.reporting.front_points import front_points
    from ambs_hpc.reporting.series import EndedEvaluation

    with queue.reading(open_engine(db)) as connection:
        chosen = one_campaign(connection, campaign)
        rows = queue.list_evaluations(connection, chosen.id, limit=None)
    goals, file = queue.goals_of_stored(chosen), output or Path(f"{chosen.name}.png")
    name = goals.chosen(objective)
    if goals.has_several and objective is None:
        with writing(file):
            draw_front(chosen.name, goals, front_points(goals, rows), file)
        echo(f"Wrote {file}")
        return
    values = {row.id: goals.value(name, row.objective, row.metrics) for row in rows}
    broken = {row.id for row in rows if goals.feasibility(row.objective, row.metrics).broken}
    ended = [
        EndedEvaluation(row.started_at, row.finished_at, values[row.id], is_feasible=row.id not in broken)
        for row in rows
        if row.started_at is not None and row.finished_at is not None
    ]
    elsewhere = [values[row.id] for row in rows if row.proposal_kind == IMPORTED and row.id not in broken]
    imported = [one for one in elsewhere if one is not None]
    with writing(file):
        draw_campaign(chosen.name, goals.directions[name], ended, file, imported)
    echo(f"Wrote {file}")
