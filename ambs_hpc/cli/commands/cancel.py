"""`ambs cancel`: evaluations that are not to run, or not to continue."""

from __future__ import annotations

from typing import Annotated

import typer

from ambs_hpc.cli.commands.rerun import DryRun, Ids, OfCampaign, evaluations_of
from ambs_hpc.cli.shared.options import AsJson, Database
from ambs_hpc.cli.shared.terminal import write


def cancel(
    ids: Ids = None,
    every: Annotated[
        bool, typer.Option("--all", help="All evaluations of --campaign that wait, run or are paused.")
    ] = False,
    campaign: OfCampaign = None,
    dry_run: DryRun = False,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Cancel evaluations; running ones are ended within seconds."""
    from ambs_hpc import queue
    from ambs_hpc.cli.shared.options import named_campaign, open_engine
    from ambs_hpc.cli.shared.output import print_json
    from ambs_hpc.errors import NotFound, UsageError

    if bool(ids) == every or (every and campaign is None):
        raise UsageError("Say which: ambs cancel ID..., or ambs cancel --all --campaign NAME.")
    with queue.transaction(open_engine(db)) as connection:
        only = named_campaign(connection, campaign)
        moved = queue.cancel(connection, ids=ids or None, campaign_id=only.id if only else None)
        if dry_run:
            connection.rollback()
    missing = sorted(set(ids or ()) - set(moved))
    if as_json:
        print_json({"cancelled": moved, "left": missing, "dry_run": dry_run})
    else:
        verb = "would be " if dry_run else ""
        write(f"{evaluations_of(len(moved), only)} {verb}cancelled\n")
    if missing:
        raise NotFound(f"Ended already, or not there: {', '.join(map(str, missing))}.")
