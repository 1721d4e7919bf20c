"""The schema: what the migrations build is what the program expects, and a mismatch says what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import IntegrityError

import ambs_hpc.queue
from ambs_hpc.errors import DatabaseRefused, SchemaMismatch
from ambs_hpc.queue import (
    database_url,
    import_results,
    list_evaluations,
    open_database,
    reading,
    show_evaluation,
    transaction,
    upgrade_database,
)
from ambs_hpc.queue.schema.migrate import REVISIONS, VERSION_TABLE
from ambs_hpc.queue.schema.tables import metadata
from ambs_hpc.records import ImportedResult
from tests import databases
from tests.queue import stock

KINDS = databases.KINDS


def catalogue(connection: Connection) -> dict[str, Any]:
    """Tables, columns, constraints and indexes in the database's own words."""
    if connection.dialect.name == "sqlite":
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type <> 'view'"))
        # A column that was added later stands behind the last one, on its line.
        added = r",\s*\n|, (?=\w+ (?:TEXT|DOUBLE|INTEGER|BIGINT|JSON)(?: DEFAULT|,|$))"
        found = {
            name: sorted(clause.strip() for clause in re.split(added, _plain(sql)))
            for name, sql in rows
            if sql
        }
    else:
        found = {}
        for query in (
            "SELECT table_name || '.' || column_name, data_type || is_nullable || "
            "coalesce(identity_generation, '') FROM information_schema.columns WHERE table_schema = "
            "'public' AND table_name NOT LIKE 'v\\_%'",
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE connamespace = 'public'::regnamespace",
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        ):
            found |= {name: [said] for name, said in connection.execute(text(query.replace("\\\\", "\\")))}
    return {name: said for name, said in found.items() if VERSION_TABLE not in name}


def _plain(sql: str) -> str:
    """Only the order of clauses may differ."""
    return re.sub(r"\n\)$", "", re.sub(r"[ \t]+", " ", sql.replace('"', "")).split("(", 1)[1].strip())


@pytest.mark.parametrize("kind", KINDS)
def test_migrations_build_what_the_program_expects(kind: str, tmp_path: Path) -> None:
    """`create_all` is used here and nowhere else: the two descriptions must agree to the last constraint."""
    with databases.blank_database(kind, tmp_path) as migrated:
        engine = open_database(migrated)
        with reading(engine) as connection:
            by_migrations = catalogue(connection)
        engine.dispose()
    with databases.blank_database(kind, tmp_path) as created:
        plain = create_engine(database_url(created, {}, tmp_path))
        metadata.create_all(plain)
        with plain.connect() as connection:
            by_metadata = catalogue(connection)
        plain.dispose()
    assert len(by_metadata) > 10
    assert by_migrations == by_metadata


def test_the_listed_revisions_are_the_files() -> None:
    """The check at connect does not load Alembic, so it needs the list."""
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option(
        "script_location", str(Path(ambs_hpc.queue.__file__).parent / "schema" / "migrations")
    )
    walked = ScriptDirectory.from_config(config).walk_revisions()
    assert tuple(reversed([script.revision for script in walked])) == REVISIONS


def test_a_newer_schema_is_told(any_url: str) -> None:
    """An older program must not write into it."""
    engine = open_database(any_url)
    with transaction(engine) as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(SchemaMismatch, match=r"9999.*newer ambs_hpc"):
        open_database(any_url)
    with pytest.raises(SchemaMismatch, match="newer"):
        upgrade_database(any_url)


def test_an_older_schema_says_how_to_upgrade(any_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data stay; the command is in the message."""
    open_database(any_url).dispose()
    monkeypatch.setattr("ambs_hpc.queue.schema.migrate.REVISIONS", (*REVISIONS, "9999"))
    with pytest.raises(SchemaMismatch, match="ambs db upgrade --db"):
        open_database(any_url)


@pytest.mark.parametrize("kind", KINDS)
def test_upgrade_makes_or_keeps_the_tables(kind: str, tmp_path: Path) -> None:
    """It may be run at any time."""
    with databases.blank_database(kind, tmp_path) as url:
        if kind == "sqlite":
            Path(url.removeprefix("sqlite:///")).touch()
        assert upgrade_database(url) == ("", REVISIONS[-1])
        engine = open_database(url, create=False)
        with transaction(engine) as connection:
            stock.campaign(connection)
        assert upgrade_database(url) == (REVISIONS[-1], REVISIONS[-1])
        with reading(engine) as connection:
            assert connection.execute(text("SELECT count(*) FROM campaign")).scalar() == 1
        engine.dispose()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_created_unless_asked(kind: str, tmp_path: Path) -> None:
    """`ambs list` with a mistyped database must not make one."""
    with databases.blank_database(kind, tmp_path) as url:
        with pytest.raises(DatabaseRefused, match=r"There is no database|holds no campaigns"):
            open_database(url, create=False)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_old_queue_takes_what_people_give(kind: str, tmp_path: Path) -> None:
    """Its rows stay, with their events; SQLite's copy of a table would have lost those that refer to it."""
    with databases.blank_database(kind, tmp_path) as url:
        upgraded_to(url, "0006", tmp_path)
        plain = create_engine(database_url(url, {}, tmp_path))
        with plain.begin() as connection:
            for statement in OLD_QUEUE:
                connection.execute(text(statement))
        plain.dispose()
        assert upgrade_database(url) == ("0006", REVISIONS[-1])
        engine = open_database(url)
        with transaction(engine) as connection:
            (first,) = list_evaluations(connection)
            assert [one.move.value for one in show_evaluation(connection, first.id).events] == ["enqueue"]
            import_results(connection, first.campaign_id, [ImportedResult({"lr": 0.1}, 1.0)])
            assert [row.ordinal for row in list_evaluations(connection)] == [0, -1]
        with pytest.raises(IntegrityError), transaction(engine) as connection:
            connection.execute(text("UPDATE evaluation SET ordinal = -7 WHERE proposal_kind = 'design'"))
        if kind == "sqlite":
            with reading(engine) as connection:
                assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
                assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
        engine.dispose()


def upgraded_to(url: str, revision: str, folder: Path) -> None:
    """Tables as an older program made them, empty."""
    engine = create_engine(database_url(url, {}, folder))
    config = Config()
    config.set_main_option(
        "script_location", str(Path(ambs_hpc.queue.__file__).parent / "schema" / "migrations")
    )
    with engine.begin() as connection:
        config.attributes.update(connection=connection, version_table=VERSION_TABLE)
        command.upgrade(config, revision)
    engine.dispose()


OLD_QUEUE = (
    "INSERT INTO campaign (id, name, created_at, problem, objective, direction, directory, run_directory, "
    "method, method_options, seed, max_failures, max_interruptions, uid) "
    "VALUES (1, 'c', 1.0, '{}', '{}', 'minimize', '/d', '/r', 'ambs', '{}', 0, 1, 1, 'u')",
    "INSERT INTO campaign_progress (campaign_id, enqueued, done, failed, cancelled, finish_sequence) "
    "VALUES (1, 1, 0, 0, 0, 0)",
    "INSERT INTO evaluation (campaign_id, ordinal, configuration, proposal_kind, cores, gpus, memory_gib, "
    "nodes, ranks_per_node, whole_node, priority, state, attempt, failures, interruptions, created_at, "
    "error, signature, node) "
    "VALUES (1, 0, '{\"lr\": 0.2}', 'design', 1, 0, 0, 1, 1, false, 0, 'READY', 0, 0, 0, 1.0, '', '', '')",
    "INSERT INTO evaluation_event (evaluation_id, at, move, attempt) "
    "SELECT id, 1.0, 'enqueue', 0 FROM evaluation",
)
