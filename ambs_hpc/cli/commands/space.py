"""`ambs space`: what a campaign searches, what was changed of it, and changes of its space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ambs_hpc.cli.commands.run import Was
from ambs_hpc.cli.shared.options import AsJson, Database
from ambs_hpc.cli.shared.terminal import write

if TYPE_CHECKING:
    from ambs_hpc.records import Campaign, CampaignRevision

Named = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="Name of the campaign, see `ambs status`.")]


Narrow = Annotated[
    list[str] | None,
    typer.Option("--narrow", metavar="NAME=LOW..HIGH", help="Only this part, or choices A,B; repeatable."),
]
Widen = Annotated[
    list[str] | None,
    typer.Option("--widen", metavar="NAME=LOW..HIGH", help="Wider bounds, or more choices A,B; repeatable."),
]
Pin = Annotated[
    list[str] | None, typer.Option("--pin", metavar="NAME=VALUE", help="Only this value; repeatable.")
]
Forbid = Annotated[
    list[str] | None,
    typer.Option("--forbid", metavar="NAME=A,NAME=B", help="Nothing with all of these values; repeatable."),
]


def space(
    campaign: Named,
    narrow: Narrow = None,
    widen: Widen = None,
    pin: Pin = None,
    forbid: Forbid = None,
    was: Was = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would become of evaluations, store nothing.")
    ] = False,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Show a campaign's space and its revisions, or change the space while the campaign lives.

    Results that fit are kept, others leave the model, what waits outside is cancelled; what runs goes on. A
    search that is alive follows within seconds.
    """
    from ambs_hpc.campaign import edited_campaign, plan, revise
    from ambs_hpc.cli.commands.run import parse_was
    from ambs_hpc.cli.shared.options import known_campaign, open_engine
    from ambs_hpc.cli.shared.output import print_json
    from ambs_hpc.cli.shared.stored_campaign import revised_json, revised_line
    from ambs_hpc.queue import reading, revisions_of

    engine = open_engine(db)
    with reading(engine) as connection:
        found = known_campaign(connection, campaign)
        revisions = revisions_of(connection, found.id)
    edits = {"--narrow": narrow, "--widen": widen, "--pin": pin, "--forbid": forbid}
    if not any(edits.values()) and not was:
        if as_json:
            print_json(_as_dict(found, revisions))
        else:
            _write(found, revisions)
        return
    after = edited_campaign(found, {name: texts or [] for name, texts in edits.items()}, parse_was(was))
    revised = plan(engine, found, after) if dry_run else revise(engine, found, after)
    if as_json:
        print_json({**revised_json(revised), "stored": bool(revised.changes) and not dry_run})
        return
    write(f"{revised_line(revised)}\n" if revised.changes else f"campaign {campaign}: that is so already\n")
    if dry_run:
        write("Nothing was stored.\n")


def _as_dict(found: Campaign, revisions: list[CampaignRevision]) -> dict[str, Any]:
    from dataclasses import asdict

    from ambs_hpc.problem.space import stored_space

    return {
        "campaign": found.name,
        "space": stored_space(found.definition.problem, found.name),
        "was": found.definition.problem.get("was", {}),
        "revisions": [
            {
                "number": one.number,
                "at": one.at,
                "who": one.who,
                "words": one.words,
                "changes": [asdict(change) for change in one.changes],
                "effects": dict(one.effects),
            }
            for one in revisions
        ],
    }


def _write(found: Campaign, revisions: list[CampaignRevision]) -> None:
    from ambs_hpc.campaign import space_lines
    from ambs_hpc.cli.shared.output import cell, print_table, utc

    write(f"campaign {cell(found.name)}, revision {found.revision}\n")
    for line in space_lines(found):
        write(f"  {cell(line)}\n")
    rows = ((one.number, utc(one.at), one.who, one.words) for one in revisions)
    print_table(("revision", "time (UTC)", "who", "what changed"), rows)
