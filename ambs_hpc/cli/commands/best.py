"""`ambs best`: the best configurations, or the front of several objectives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ambs_hpc.cli.shared.options import AsJson, CampaignName, Database
from ambs_hpc.cli.shared.terminal import write
from ambs_hpc.records import IMPORTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from ambs_hpc.problem.goals import Goals
    from ambs_hpc.queue import EvaluationRow
    from ambs_hpc.records import Campaign

Number = Annotated[
    int | None,
    typer.Option("--limit", "-n", min=1, help="At most this many rows; by default 1, of a front all."),
]
Objective = Annotated[
    str | None,
    typer.Option("--objective", metavar="NAME", help="Of several objectives, the best by this one."),
]


def best(
    campaign: CampaignName = None,
    limit: Number = None,
    objective: Objective = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """The best configurations of every campaign, best first; of several objectives the front.

    The front are those results that no other one dominates: at least as good in all objectives, and better in
    one. What breaks a constraint comes last, and is said to.
    """
    from ambs_hpc import queue
    from ambs_hpc.cli.shared.options import named_campaign, open_engine
    from ambs_hpc.cli.shared.output import print_json
    from ambs_hpc.errors import NotFound

    with queue.reading(open_engine(db)) as connection:
        only = named_campaign(connection, campaign)
        chosen = [only] if only else queue.list_campaigns(connection)
        found = [(queue.goals_of_stored(one), _rows(connection, one, limit, objective)) for one in chosen]
    if not any(rows for _, rows in found):
        raise NotFound("No evaluation is done yet; `ambs status` shows how they stand.")
    if as_json:
        print_json([_as_dict(goals, row) for goals, rows in found for row in rows])
        return
    _print_plain([row for goals, rows in found if goals.is_plain for row in rows])
    for goals, rows in found:
        if rows and not goals.is_plain:
            _print_goals(goals, rows)


def _rows(
    connection: Connection, campaign: Campaign, limit: int | None, objective: str | None
) -> list[EvaluationRow]:
    from ambs_hpc import queue

    if queue.goals_of_stored(campaign).has_several and objective is None:
        front = queue.front(connection, campaign.id)
        if front:
            return front[:limit]
    return queue.best(connection, campaign.id, limit or 1, objective)


def _as_dict(goals: Goals, row: EvaluationRow) -> dict[str, Any]:
    from dataclasses import asdict

    told = asdict(row)
    if not goals.is_plain:
        feasibility = goals.feasibility(row.objective, row.metrics)
        told["objectives"] = goals.values(row.objective, row.metrics)
        told["feasible"], told["why_infeasible"] = feasibility.verdict, feasibility.words
    return told


def _print_plain(rows: Sequence[EvaluationRow]) -> None:
    from ambs_hpc.cli.shared.output import print_table

    if not rows:
        return
    columns: tuple[str, ...] = ("campaign", "id", "objective", "configuration")
    if any(row.proposal_kind == IMPORTED for row in rows):
        columns = (*columns, "from")
    print_table(columns, (_cells(row)[: len(columns)] for row in rows))


def _print_goals(goals: Goals, rows: Sequence[EvaluationRow]) -> None:
    from ambs_hpc.cli.shared.output import print_table

    judged = [goals.feasibility(row.objective, row.metrics) for row in rows]
    columns = ["campaign", "id", *goals.names, "configuration"]
    table = [
        [row.campaign, row.id, *goals.values(row.objective, row.metrics).values(), dict(row.configuration)]
        for row in rows
    ]
    if goals.constraints:
        columns.insert(2, "feasible")
        for line, one in zip(table, judged, strict=True):
            line.insert(2, one.verdict if one.verdict == "yes" else f"{one.verdict}: {one.words}")
    print_table(columns, table)
    if all(one.verdict != "yes" for one in judged):
        write("Nothing is known to keep the constraints yet: this comes nearest.\n")


def _cells(row: EvaluationRow) -> tuple[object, ...]:
    origin = "imported" if row.proposal_kind == IMPORTED else "here"
    return row.campaign, row.id, row.objective, dict(row.configuration), origin
