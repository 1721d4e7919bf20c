"""`ambs allocations`: the batch allocations of this database, with the states their schedulers report."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

import typer

from ambs_hpc.cli.checked_values import CheckedCommands
from ambs_hpc.cli.shared.options import AsJson, Database
from ambs_hpc.cli.shared.terminal import echo
from ambs_hpc.cli.whole_summaries import WholeSummaries

app = CheckedCommands(
    cls=WholeSummaries,
    help="Batch allocations: list, cancel.",
    rich_markup_mode=None,
    invoke_without_command=True,
)
SHOWN = 20


@app.callback()
def list_allocations(
    context: typer.Context,
    every: Annotated[
        bool, typer.Option("--all", help=f"All allocations; by default the newest {SHOWN}.")
    ] = False,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """List allocations: state, nodes, time left, evaluations held by its launchers, share of slot-time used.

    Each scheduler is asked once.
    """
    if context.invoked_subcommand is not None:
        return
    from ambs_hpc import queue
    from ambs_hpc.cli.shared.options import open_engine
    from ambs_hpc.cli.shared.output import duration, print_json, print_table
    from ambs_hpc.identity import user_name
    from ambs_hpc.sites import refresh

    engine = open_engine(db)
    refreshed = refresh(engine, user_name(), time.time())
    for unanswered in refreshed.unheard:
        echo(f"note: {unanswered}. States are as they were.", err=True)
    with queue.reading(engine) as connection:
        found = queue.list_allocations(connection, limit=None if every else SHOWN)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    columns = ("id", "scheduler id", "site", "state", "nodes", "time left", "held", "used", "detail")
    rows = []
    for one in found:
        left = None
        if one.state == "RUNNING" and one.ends_at is not None:
            left = duration(max(0.0, one.ends_at - time.time()))
        nodes = one.request.get("nodes")
        used = None if one.utilisation is None else f"{one.utilisation:.0%}"
        rows.append(
            (one.id, one.scheduler_id, one.site, one.state, nodes, left, one.evaluations, used, one.detail)
        )
    print_table(columns, rows)


@app.command()
def cancel(
    number: Annotated[int, typer.Argument(metavar="ID", help="The first column of `ambs allocations`.")],
    db: Database = None,
) -> None:
    """Ask the scheduler to end an allocation; its evaluations go back to the queue."""
    from ambs_hpc.cli.shared.options import open_engine
    from ambs_hpc.errors import AmbsError
    from ambs_hpc.identity import user_name
    from ambs_hpc.sites import cancel_allocation

    objection = cancel_allocation(open_engine(db), number, user_name())
    if objection:
        raise AmbsError(f"The scheduler did not end allocation {number}: {objection}")
    echo(f"allocation {number}: its end was asked for, `ambs allocations` shows when it has come")
