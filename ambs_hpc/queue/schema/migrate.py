"""The schema's version: checked at connect, created in an empty database, upgraded when asked.

Alembic runs the migrations; it is imported only for that, because checking must cost next to nothing.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from ambs_hpc.errors import DatabaseRefused, SchemaMismatch
from ambs_hpc.queue.schema.views import create_views, drop_views
from ambs_hpc.queue.sql.driver_errors import shown, translated
from ambs_hpc.queue.sql.transactions import WRITES

REVISIONS = ("0001", "0002", "0003", "0004")  # oldest first; a test compares them with the files
VERSION_TABLE = "ambs_version"  # not Alembic's usual name, so as to share a database with other programs
_UPGRADE_LOCK = (
    0x616D6273  # advisory lock: of many programs that meet an empty database, one makes the tables
)


def check_or_create(engine: Engine, *, create: bool) -> None:
    """Make sure that the tables are of this program's schema.

    Raises:
        SchemaMismatch: they are older or newer.
        DatabaseRefused: there are none, and `create` is False.
    """
    with translated(engine.url), engine.connect() as connection:
        revision = stored_revision(connection)
    if revision is None:
        if not create:
            raise DatabaseRefused(
                f"{shown(engine.url)} holds no campaigns yet (no tables of ours). Start one, or correct --db."
            )
        upgrade(engine)
    elif revision != REVISIONS[-1]:
        raise SchemaMismatch(_mismatch(engine, revision))


def upgrade(engine: Engine) -> tuple[str, str]:
    """Run every migration that is missing, in one transaction; the old revision ("" for none) and the new."""
    writes = {WRITES: True}
    with (
        translated(engine.url),
        engine.connect().execution_options(**writes) as connection,
        connection.begin(),
    ):
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
        old = stored_revision(connection) or ""
        if old and old not in REVISIONS:
            raise SchemaMismatch(_mismatch(engine, old))
        if old != REVISIONS[-1]:
            # Views hold no data and would forbid changes of their tables: away before, made anew after.
            drop_views(connection)
            _run_migrations(connection)
            create_views(connection)
    return old, REVISIONS[-1]


def stored_revision(connection: Connection) -> str | None:
    """The schema's version, or None where there are no tables of ours."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()


def _run_migrations(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["version_table"] = VERSION_TABLE
    command.upgrade(config, "head")


def _mismatch(engine: Engine, revision: str) -> str:
    where = shown(engine.url)
    if revision in REVISIONS:
        return (
            f"{where} has schema {revision}, this program needs {REVISIONS[-1]}. Stop what uses it, make a "
            f"copy, then run `ambs db upgrade --db {where}`."
        )
    return (
        f"{where} has schema {revision}, which this program does not know (its newest is {REVISIONS[-1]}): "
        "it was made by a newer ambs_hpc. Use that version."
    )
