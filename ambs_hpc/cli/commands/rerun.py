"""`ambs rerun`: returns failed and cancelled evaluations to the queue."""

from __future__ import annotations

from typing import Annotated

import typer

from ambs_hpc.cli.shared.options import AsJson, CampaignName, Database
from ambs_hpc.cli.shared.terminal import echo

Ids = Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="Numbers of evaluations.")]


def rerun(
    ids: Ids = None,
    failed: Annotated[bool, typer.Option("--failed", help="All evaluations that failed.")] = False,
    kind: Annotated[
        str | None, typer.Option("--kind", help="Only failures of this kind, such as TIMEOUT; with --failed.")
    ] = None,
    campaign: CampaignName = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Return failed or cancelled evaluations to the queue, with new failure and interruption budgets.

    Paused ones too, where they are named by ID: they run on whatever the others have reached.
    """
    from ambs_hpc import queue
    from ambs_hpc.cli.shared.options import named_campaign, open_engine
    from ambs_hpc.cli.shared.output import print_json
    from ambs_hpc.cli.shared.parsing import kind_named
    from ambs_hpc.errors import NotFound, UsageError

    if bool(ids) == failed:
        raise UsageError(
            "Say which: ambs rerun ID..., or ambs rerun --failed [--kind KIND] [--campaign NAME]."
        )
    if kind and not failed:
        raise UsageError("--kind goes with --failed.")
    wanted = kind_named(kind)
    with queue.transaction(open_engine(db)) as connection:
        only = named_campaign(connection, campaign)
        moved = queue.rerun(
            connection, ids=ids or None, campaign_id=only.id if only else None, failed=failed, kind=wanted
        )
    missing = sorted(set(ids or ()) - set(moved))
    if as_json:
        print_json({"rerun": moved, "left": missing})
    else:
        echo(
            f"{len(moved)} evaluations are READY again"
            + (": start a launcher, or `ambs run`" if moved else "")
        )
    if missing:
        raise NotFound(
            f"Not failed or cancelled here, or not there: {', '.join(map(str, missing))}; ambs show ID says "
            "which. What is done, or was imported, is run again by ambs add --again."
        )
