"""Which database and which campaign a person means, by a name or by none."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ambs_hpc.records import Campaign


_IN_MEMORY = re.compile(r"sqlite(\+\w+)?:///?(:memory:)?(\?.*)?")


def chosen_database(db: str | None) -> str:
    """The URL by `--db`, $AMBS_DB, `database` in ambs.yml, a private server of this folder, or ambs.db."""
    from ambs_hpc.queue import database_url

    folder = Path.cwd()
    if not db and not os.environ.get("AMBS_DB") and (folder / "ambs.yml").is_file():
        from ambs_hpc.sites import read_folder

        db = read_folder(folder).database or None
    url = database_url(db, os.environ, folder)
    if _IN_MEMORY.fullmatch(url):
        from ambs_hpc.errors import UsageError

        raise UsageError(f"{url} ends with this process, so no other could use it. Give a file, as ambs.db.")
    return url


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


def only_campaign(connection: Connection, name: str | None) -> Campaign:
    """The campaign called `name`; without a name the only one that there is.

    Raises:
        NotFound: there is none, or no name where there are several; the message lists them.
    """
    from ambs_hpc.errors import NotFound
    from ambs_hpc.queue import list_campaigns

    named = named_campaign(connection, name)
    if named is not None:
        return named
    campaigns = list_campaigns(connection)
    if len(campaigns) == 1:
        return campaigns[0]
    if not campaigns:
        raise NotFound("There is no campaign in this database yet. Begin one: ambs search PROBLEM")
    names = ", ".join(repr(one.name) for one in campaigns)
    raise NotFound(f"Which campaign? There are {names}: name one, in commands by --campaign NAME.")
