"""The schema's version and the migrations that bring the tables to it, on a connection of the caller.

Alembic runs the migrations. It is imported only for that, because the check at connect must cost next to
nothing.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from ambs_hpc.queue.schema.views import create_views, drop_views

# Oldest first; a test compares them with the files.
REVISIONS = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
    "0015",
    "0016",
    "0017",
    "0018",
)
VERSION_TABLE = "ambs_version"  # not Alembic's usual name, so as to share a database with other programs


def stored_revision(connection: Connection) -> str | None:
    """The schema's version, or None where there are no tables of ours."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()


def migrate_to_newest(connection: Connection) -> None:
    """The tables and views are those of the newest revision; the caller's transaction covers all of it."""
    # Views hold no data, but would forbid changes of their tables: they are dropped before and created after.
    drop_views(connection)
    _run_migrations(connection)
    create_views(connection)


def mismatch_message(database: str, revision: str) -> str:
    """What a person must do about a database of another revision.

    Args:
        database: its URL without the password.
        revision: what it has.
    """
    newest = REVISIONS[-1]
    if revision in REVISIONS:
        return (
            f"{database} has schema {revision}, this program needs {newest}. Stop what uses it, make a "
            f"copy, then run `ambs db upgrade --db {database}`."
        )
    return (
        f"{database} has schema {revision}, which this program does not know (its newest is {newest}): "
        "it was made by a newer ambs_hpc. Use that version."
    )


def _run_migrations(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["version_table"] = VERSION_TABLE
    command.upgrade(config, "head")
