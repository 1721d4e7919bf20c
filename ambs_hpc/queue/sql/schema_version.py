"""The schema's version is checked at connect, created in an empty database, and upgraded when asked."""

from __future__ import annotations

from sqlalchemy import Engine, text

from ambs_hpc.errors import DatabaseRefused, SchemaMismatch
from ambs_hpc.queue.schema import migrate
from ambs_hpc.queue.sql.driver_errors import shown, translated
from ambs_hpc.queue.sql.transactions import transaction

# Advisory lock: of many programs that open an empty database at once, one makes the tables.
_UPGRADE_LOCK = 0x616D6273


def check_or_create(engine: Engine, *, create: bool) -> None:
    """Make sure that the tables are of this program's schema.

    Raises:
        SchemaMismatch: they are older or newer.
        DatabaseRefused: there are none, and `create` is False.
    """
    with translated(engine.url), engine.connect() as connection:
        revision = migrate.stored_revision(connection)
    if revision is None:
        if not create:
            place = shown(engine.url.set(query={}))  # where it is; how it is reached fills a screen
            words = f"{place} holds no campaigns yet (no tables). Start one, or correct --db."
            raise DatabaseRefused(words, passes=True)
        upgrade(engine)
    elif revision != migrate.REVISIONS[-1]:
        raise SchemaMismatch(migrate.mismatch_message(shown(engine.url), revision))


def upgrade(engine: Engine) -> tuple[str, str]:
    """Run every missing migration in one transaction; returns the old revision ("" for none) and the new one.

    Raises:
        SchemaMismatch: the tables are newer than this program.
    """
    newest = migrate.REVISIONS[-1]
    with transaction(engine) as connection:
        if connection.dialect.name == "postgresql":
            # A large table takes its time, and so does another program that makes the tables.
            connection.execute(text("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
        old = migrate.stored_revision(connection) or ""
        if old and old not in migrate.REVISIONS:
            raise SchemaMismatch(migrate.mismatch_message(shown(engine.url), old))
        if old != newest:
            migrate.migrate_to_newest(connection)
    return old, newest
