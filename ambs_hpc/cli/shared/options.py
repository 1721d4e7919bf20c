"""Options that several commands share, and how they find their database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ambs_hpc.records import Campaign

ProblemFile = Annotated[Path, typer.Argument(metavar="PROBLEM", help="Python file that defines `problem`.")]
Database = Annotated[
    str | None,
    typer.Option(
        "--db", metavar="URL", help="Database, a file or a URL; by default $AMBS_DB or ambs.db here."
    ),
]
CampaignName = Annotated[
    str | None, typer.Option("--campaign", "-c", metavar="NAME", help="Only this campaign; by default all.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="At most this many rows.")]


def open_engine(db: str | None, *, create: bool = False) -> Engine:
    """The engine behind `--db`, $AMBS_DB or ambs.db in this folder; `create` makes missing tables.

    Raises:
        DatabaseError: the database cannot be used; the message says what to do.
    """
    from ambs_hpc.queue import open_database

    return open_database(chosen_database(db), create=create)


def chosen_database(db: str | None) -> str:
    """The URL by `--db`, $AMBS_DB, `database` in ambs.yml, a private server of this folder, or ambs.db."""
    from ambs_hpc.queue import database_url

    folder = Path.cwd()
    if not db and not os.environ.get("AMBS_DB") and (folder / "ambs.yml").is_file():
        from ambs_hpc.sites import read_folder

        db = read_folder(folder).database or None
    return database_url(db, os.environ, folder)


def known_campaign(connection: Connection, name: str) -> Campaign:
    """The campaign called `name`.

    Raises:
        NotFound: no campaign has that name; the message lists those there are.
    """
    campaign = named_campaign(connection, name)
    assert campaign is not None
    return campaign


def named_campaign(connection: Connection, name: str | None) -> Campaign | None:
    """The campaign called `name`, or None when no name was given.

    Raises:
        NotFound: no campaign has that name; the message lists those there are.
    """
    from ambs_hpc.errors import NotFound, nearest
    from ambs_hpc.queue import find_campaign, list_campaigns

    if name is None:
        return None
    campaign = find_campaign(connection, name)
    if campaign is None:
        names = [one.name for one in list_campaigns(connection)]
        raise NotFound(
            f"There is no campaign {name!r}. " + (nearest(name, names) if names else "There is none yet.")
        )
    return campaign
