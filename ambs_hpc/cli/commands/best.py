"""`ambs best`: the best configurations, or the front of several objectives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ambs_hpc.cli.shared.options import AsJson, CampaignName, Database
from ambs_hpc.cli.shared.terminal import write
from ambs_hpc.records import IMPORTED
from ambs_hpc.records.stored_ranges import LARGEST_COUNT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from ambs_hpc.problem.goals import Goals
    from ambs_hpc.queue import EvaluationRow
    from ambs_hpc.records import Campaign

Number = Annotated[
    int | None,
    typer.Option(
        "--limit",
        "-n",
        min=1,
        max=LARGEST_COUNT,
        help="At most this many rows; by default 1, of a front all.",
    ),
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
        chosen = [only] if only else _with_objective(queue.list_campaigns(connection), objective)
        found = [_of_campaign(connection, one, limit, objective) for one in chosen]
    found = [one for one in found if one.rows]
    if not found:
        raise NotFound("No evaluation is done yet; `ambs status` shows how they stand.")
    if as_json:
        print_json([told for one in found for told in one.as_dicts()])
        return
    _print_plain([one for one in found if one.goals.is_plain])
    for one in found:
        if not one.goals.is_plain:
            _print_goals(one)


def _with_objective(campaigns: Sequence[Campaign], objective: str | None) -> Sequence[Campaign]:
    """Those that have the objective; all where none has it: each refuses it, and says what it has."""
    from ambs_hpc.queue import goals_of_stored

    if objective is None:
        return campaigns
    return [one for one in campaigns if objective in goals_of_stored(one).names] or campaigns


class _Best(NamedTuple):
    """The best of a campaign; `notes` are remarks, each on a row, "" for none."""

    goals: Goals
    rows: Sequence[EvaluationRow]
    notes: Sequence[str]

    def as_dicts(self) -> Iterator[dict[str, Any]]:
        from dataclasses import asdict

        for row, note in zip(self.rows, self.notes, strict=True):
            told = {**asdict(row), "note": note}
            if not self.goals.is_plain:
                feasibility = self.goals.feasibility(row.objective, row.metrics)
                told["objectives"] = self.goals.values(row.objective, row.metrics)
                told["feasible"], told["why_infeasible"] = feasibility.verdict, feasibility.words
            yield told


def _of_campaign(
    connection: Connection, campaign: Campaign, limit: int | None, objective: str | None
) -> _Best:
    from ambs_hpc import queue
    from ambs_hpc.api.outside_note import outside_note

    goals = queue.goals_of_stored(campaign)
    is_front = goals.has_several and objective is None
    rows = queue.front(connection, campaign.id)[:limit] if is_front else []
    rows = rows or queue.best(connection, campaign.id, limit or 1, objective)
    return _Best(goals, rows, [outside_note(campaign, row.configuration) for row in rows])


def _print_plain(found: Sequence[_Best]) -> None:
    from ambs_hpc.cli.shared.output import print_table

    rows = [row for one in found for row in one.rows]
    columns = ["campaign", "id", "objective", "configuration"]
    cells: list[list[object]] = [
        [row.campaign, row.id, row.objective, dict(row.configuration)] for row in rows
    ]
    if any(row.proposal_kind == IMPORTED for row in rows):
        columns.append("from")
        for line, row in zip(cells, rows, strict=True):
            line.append("imported" if row.proposal_kind == IMPORTED else "here")
    _append_notes(columns, cells, [note for one in found for note in one.notes])
    if rows:
        print_table(columns, cells)


def _print_goals(found: _Best) -> None:
    from ambs_hpc.cli.shared.output import print_table

    goals, rows = found.goals, found.rows
    judged = [goals.feasibility(row.objective, row.metrics) for row in rows]
    columns = ["campaign", "id", *goals.names, "configuration"]
    cells: list[list[object]] = [
        [row.campaign, row.id, *goals.values(row.objective, row.metrics).values(), dict(row.configuration)]
        for row in rows
    ]
    if goals.constraints:
        columns.insert(2, "feasible")
        for line, one in zip(cells, judged, strict=True):
            line.insert(2, one.verdict if one.verdict == "yes" else f"{one.verdict}: {one.words}")
    _append_notes(columns, cells, found.notes)
    print_table(columns, cells)
    if all(one.verdict != "yes" for one in judged):
        write("Nothing is known to keep the constraints yet: this comes nearest.\n")


def _append_notes(columns: list[str], cells: Sequence[list[object]], notes: Sequence[str]) -> None:
    if any(notes):
        columns.append("note")
        for line, note in zip(cells, notes, strict=True):
            line.append(note)
