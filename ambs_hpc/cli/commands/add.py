"""`ambs add`: a person's own configurations, first in the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ambs_hpc.cli.shared.options import AsJson, Database
from ambs_hpc.cli.shared.terminal import write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ambs_hpc.observations import RawPoint
    from ambs_hpc.queue import EvaluationRow
    from ambs_hpc.records import Configuration

Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Value of a parameter; repeat it for each."),
]


def add(
    campaign: Annotated[str, typer.Argument(metavar="CAMPAIGN", help="Name of the campaign.")],
    sets: Sets = None,
    file: Annotated[
        str | None,
        typer.Option("--file", metavar="FILE", help="Several configurations: .json or .csv; - for stdin."),
    ] = None,
    defaults: Annotated[
        bool, typer.Option("--defaults", help="Parameters without a value get their defaults.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also what the campaign has already; it is run once more.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, store nothing.")] = False,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Add your own configurations to a campaign; they run before what the search proposes.

    They come on top of --max-evaluations, so they run also where the budget is spent. The search learns them.
    """
    from ambs_hpc import queue
    from ambs_hpc.campaign.added_points import AddedPoints, add_points, fit_points, known_rows
    from ambs_hpc.campaign.given_rows import GivenRows, configuration_key
    from ambs_hpc.cli.shared.options import named_campaign, open_engine
    from ambs_hpc.errors import UsageError

    if bool(sets) == bool(file):
        raise UsageError(
            "Say which: ambs add CAMPAIGN --set NAME=VALUE ..., or ambs add CAMPAIGN --file FILE."
        )
    points = _points(sets or [], file)
    engine = open_engine(db)
    with queue.reading(engine) as connection:
        found = named_campaign(connection, campaign)
    assert found is not None
    wanted = fit_points(found.definition, points, with_defaults=defaults)
    if dry_run:
        known = {} if again else known_rows(GivenRows(engine, found.id).rows(), wanted)
        new = [(0, one) for one in wanted if configuration_key(one) not in known]
        told = AddedPoints(tuple(new), tuple(known.values()))
    else:
        told = add_points(engine, found, wanted, again=again)
    _print(told.added, told.known, dry_run=dry_run, as_json=as_json)


def _points(sets: list[str], file: str | None) -> list[RawPoint]:
    from ambs_hpc.errors import UsageError
    from ambs_hpc.observations import RawPoint, read_points

    if file is not None:
        return read_points(file)
    values: dict[str, object] = {}
    for one in sets:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise UsageError(f"--set {one}: write NAME=VALUE, for instance --set lr=0.003.")
        if name in values:
            raise UsageError(f"--set {one}: {name} has the value {values[name]} already.")
        values[name] = value
    return [RawPoint("--set", values)]


def _print(
    added: Sequence[tuple[int, Configuration]],
    known: Sequence[EvaluationRow],
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    from ambs_hpc.cli.shared.output import cell, print_json
    from ambs_hpc.records import IMPORTED

    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                "added": [{"id": None if dry_run else n, "configuration": one} for n, one in added],
                "known": [{"id": row.id, "state": row.state, "objective": row.objective} for row in known],
            }
        )
        return
    for number, configuration in added:
        which = "would be added" if dry_run else f"is evaluation {number}, first in the queue"
        write(f"{cell(dict(configuration))} {which}\n")
    for row in known:
        what = "imported" if row.proposal_kind == IMPORTED else row.state.value
        objective = "" if row.objective is None else f" with {cell(row.objective)}"
        write(f"{cell(dict(row.configuration))} is evaluation {row.id} already, {what}{objective}")
        write("; --again runs it once more\n")
