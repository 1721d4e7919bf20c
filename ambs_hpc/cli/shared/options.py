"""Options that several commands share, and how they find their database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ambs_hpc.api.choices import chosen_database as chosen_database
from ambs_hpc.api.choices import known_campaign as known_campaign
from ambs_hpc.api.choices import named_campaign as named_campaign
from ambs_hpc.hints import call_with
from ambs_hpc.records.stored_ranges import LARGEST_COUNT

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ambs_hpc.records import Campaign


def note_database(db: str | None) -> str | None:
    """Remember the database for the commands in hints; returns it."""
    call_with(db)
    return db


ProblemFile = Annotated[Path, typer.Argument(metavar="PROBLEM", help="Python file that defines `problem`.")]
Database = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="URL",
        callback=note_database,
        help="Database, a file or a URL; by default $AMBS_DB or ambs.db here.",
    ),
]
CampaignName = Annotated[
    str | None, typer.Option("--campaign", "-c", metavar="NAME", help="Only this campaign; by default all.")
]
OneCampaign = Annotated[
    str | None,
    typer.Option("--campaign", "-c", metavar="NAME", help="This campaign; needed where there are several."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Limit = Annotated[
    int, typer.Option("--limit", "-n", min=1, max=LARGEST_COUNT, help="At most this many rows.")
]


def open_engine(db: str | None, *, create: bool = False) -> Engine:
    """The engine behind `--db`, $AMBS_DB or ambs.db in this folder; `create` makes missing tables.

    Raises:
        DatabaseError: the database cannot be used; the message says what to do.
    """
    from ambs_hpc.queue import open_database

    return open_database(chosen_database(db), create=create)


def one_campaign(connection: Connection, name: str | None) -> Campaign:
    """The campaign of `--campaign`; without it the only one that there is.

    What is true of all campaigns may be shown without a name, but no other campaign is changed unasked.

    Raises:
        UsageError: several and none named; the message lists them.
        NotFound: there is none, or none of that name.
    """
    from ambs_hpc.api.choices import only_campaign
    from ambs_hpc.errors import UsageError, nearest
    from ambs_hpc.queue import list_campaigns

    names = [one.name for one in list_campaigns(connection)] if name is None else []
    if len(names) > 1:
        raise UsageError(f"Say which campaign: --campaign NAME. {nearest('', names)}")
    return only_campaign(connection, name)
