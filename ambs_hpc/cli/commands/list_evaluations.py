"""`ambs list`: evaluations, one on each line."""

from __future__ import annotations

from typing import Annotated

import typer

from ambs_hpc.cli.shared.options import AsJson, CampaignName, Database, Limit
from ambs_hpc.cli.shared.terminal import echo

COLUMNS = ("id", "campaign", "state", "objective", "attempt", "seconds", "node", "configuration")


def list_evaluations(
    campaign: CampaignName = None,
    state: Annotated[
        str | None, typer.Option("--state", "-s", help="Only evaluations in this state.")
    ] = None,
    sort: Annotated[
        str, typer.Option("--sort", help="Order: id, newest, objective (best first), finished, duration.")
    ] = "id",
    limit: Limit = 50,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """List evaluations."""
    from dataclasses import asdict

    from ambs_hpc import queue
    from ambs_hpc.cli.shared.options import named_campaign, open_engine
    from ambs_hpc.cli.shared.output import print_json, print_table
    from ambs_hpc.cli.shared.parsing import state_named

    wanted = state_named(state)
    with queue.reading(open_engine(db)) as connection:
        only = named_campaign(connection, campaign)
        found = queue.list_evaluations(connection, only.id if only else None, wanted, sort, limit + 1)
    rows = found[:limit]
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(COLUMNS, (_cells(row) for row in rows))
    if len(found) > limit:
        echo(f"Only the first {limit}; more with -n.", err=True)


def _cells(row: object) -> tuple[object, ...]:
    from ambs_hpc.queue import EvaluationRow
    from ambs_hpc.records import IMPORTED, MANUAL

    assert isinstance(row, EvaluationRow)
    state = row.state.value if row.failure_kind is None else f"{row.state.value} {row.failure_kind.value}"
    seconds = None if row.run_seconds is None else f"{row.run_seconds:.1f}"
    if row.proposal_kind == IMPORTED:
        state += " (imported)"
    elif row.proposal_kind == MANUAL:
        state += " (added)"
    return (
        row.id,
        row.campaign,
        state,
        row.objective,
        row.attempt,
        seconds,
        row.node,
        dict(row.configuration),
    )
