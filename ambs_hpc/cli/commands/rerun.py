"""`ambs rerun`: returns failed and cancelled evaluations to the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ambs_hpc.cli.shared.options import AsJson, Database
from ambs_hpc.cli.shared.terminal import write

if TYPE_CHECKING:
    from ambs_hpc.records import Campaign

OfCampaign = Annotated[
    str | None, typer.Option("--campaign", "-c", metavar="NAME", help="Only what is of this campaign.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, change nothing.")]
Ids = Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="Numbers of evaluations.")]


def rerun(
    ids: Ids = None,
    failed: Annotated[
        bool,
        typer.Option(
            "--failed", help="All that failed, of --campaign, or of the only campaign that there is."
        ),
    ] = False,
    kind: Annotated[
        str | None, typer.Option("--kind", help="Only failures of this kind, such as TIMEOUT; with --failed.")
    ] = None,
    campaign: OfCampaign = None,
    dry_run: DryRun = False,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Return failed or cancelled evaluations to the queue, with new failure and interruption budgets.

    Paused ones too, where they are named by ID: they run on whatever the others have reached.
    """
    from ambs_hpc import queue
    from ambs_hpc.cli.shared.options import named_campaign, one_campaign, open_engine
    from ambs_hpc.cli.shared.output import print_json
    from ambs_hpc.cli.shared.parsing import kind_named
    from ambs_hpc.errors import NotFound, UsageError

    if bool(ids) == failed:
        raise UsageError("Say which: ambs rerun ID..., or ambs rerun --failed [--kind KIND] --campaign NAME.")
    if kind and not failed:
        raise UsageError("--kind goes with --failed.")
    wanted = kind_named(kind)
    with queue.transaction(open_engine(db)) as connection:
        only = (one_campaign if failed else named_campaign)(connection, campaign)
        moved = queue.rerun(
            connection, ids=ids or None, campaign_id=only.id if only else None, failed=failed, kind=wanted
        )
        if dry_run:
            connection.rollback()
    missing = sorted(set(ids or ()) - set(moved))
    if as_json:
        print_json({"rerun": moved, "left": missing, "dry_run": dry_run})
    else:
        verb = "would be" if dry_run else "is" if len(moved) == 1 else "are"
        what_next = ": start a launcher, or `ambs run`" if moved and not dry_run else ""
        write(f"{evaluations_of(len(moved), only)} {verb} READY again{what_next}\n")
    if missing:
        raise NotFound(
            f"Not failed or cancelled here, or not there: {', '.join(map(str, missing))}; ambs show ID says "
            "which. What is done, or was imported, is run again by ambs add --again."
        )


def evaluations_of(number: int, only: Campaign | None) -> str:
    """So many evaluations, with the name of their campaign where one was meant."""
    whose = f" of campaign {only.name}" if only else ""
    return f"{number} evaluation{'' if number == 1 else 's'}{whose}"
