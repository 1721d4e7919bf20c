"""What each role of a private PostgreSQL may do, and that no more than that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg2
import psycopg2.errors
import pytest
from sqlalchemy import make_url, text

from ambs_hpc.cli.main import app
from ambs_hpc.errors import DatabaseRefused, UsageError
from ambs_hpc.postgres_server import reader_instead, role_url
from ambs_hpc.queue import claim, complete, list_campaigns, open_database, reading, transaction
from tests import databases
from tests.queue import stock


@pytest.fixture
def server_folder() -> Iterator[Path]:
    """The session's server, whose own database `ambs` has our tables and one campaign while this lasts."""
    url = databases.postgresql_server().url
    engine = open_database(url)
    with transaction(engine) as connection:
        campaign_id = stock.campaign(connection).id
        stock.evaluations(connection, campaign_id, 2)
    yield Path(str(make_url(url).query["passfile"])).parent
    with transaction(engine) as connection:
        connection.execute(text("TRUNCATE campaign, launcher, allocation CASCADE"))
        connection.execute(text("DROP TABLE IF EXISTS made_later"))
    engine.dispose()


def session(folder: Path, role: str) -> psycopg2.extensions.connection:
    connection = psycopg2.connect(role_url(folder, role))
    connection.autocommit = True
    return connection


def test_the_reader_reads_and_does_nothing_else(server_folder: Path) -> None:
    """Whatever it sets for its own session first."""
    refused = [
        "DELETE FROM evaluation",
        "UPDATE campaign SET name = 'x'",
        "CREATE TABLE t (x int)",
        "CREATE TEMP TABLE t (x int)",
        "CREATE SCHEMA s",
        "CREATE DATABASE d",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER ROLE ambs_reader SUPERUSER",
        "ALTER ROLE ambs PASSWORD 'x'",
        "SET ROLE ambs",
        "SET SESSION AUTHORIZATION ambs",
        "COPY campaign TO PROGRAM 'id'",
        "SELECT nextval('evaluation_id_seq')",
        "SELECT lo_create(0)",
        "SELECT lo_from_bytea(0, 'x')",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_try_advisory_xact_lock_shared(1, 2)",
        "SELECT pg_notify('ambs_ready', '')",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT * FROM pg_authid",
        "SELECT id FROM evaluation FOR UPDATE",
    ]
    connection = session(server_folder, "reader")
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = off")
        for statement in refused:
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(statement)
        cursor.execute("SELECT campaign, state FROM v_evaluations")
        assert cursor.fetchall() == [("digits", "READY")] * 2
    connection.close()


def test_the_runner_runs_and_makes_no_tables(server_folder: Path) -> None:
    """A launcher's whole life, by its verbs; what its role may not do stays the owner's."""
    engine = open_database(role_url(server_folder, "runner"))
    with transaction(engine) as connection:
        launcher_id = stock.launcher(connection)
        complete(connection, launcher_id, stock.successes(claim(connection, launcher_id, 2)))
    for statement in ("DROP TABLE evaluation", "ALTER TABLE campaign ADD x int", "CREATE TABLE t (x int)"):
        with pytest.raises(DatabaseRefused, match="lacks a right"), transaction(engine) as connection:
            connection.execute(text(statement))
    engine.dispose()
    engine = open_database(role_url(server_folder, "reader"), create=False)
    with reading(engine) as connection:
        assert [one.name for one in list_campaigns(connection)] == ["digits"]
        done = connection.execute(text("SELECT count(*) FROM v_best")).scalar()
    engine.dispose()
    assert done == 2


def test_what_the_owner_makes_later_can_be_read(server_folder: Path) -> None:
    """A migration adds tables, and views are made again by each."""
    engine = open_database(databases.postgresql_server().url)
    with transaction(engine) as connection:
        connection.execute(text("CREATE TABLE made_later (id serial, x int)"))
    engine.dispose()
    for role, statement in (
        ("runner", "INSERT INTO made_later (x) VALUES (7)"),
        ("reader", "SELECT id, x FROM made_later"),
    ):
        connection = session(server_folder, role)
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()


def test_the_other_roles_see_one_database(server_folder: Path) -> None:
    """No other database has rights that were made for them."""
    url = make_url(role_url(server_folder, "reader")).set(database="postgres")
    with pytest.raises(psycopg2.OperationalError, match=r"no pg_hba.conf entry"):
        psycopg2.connect(url.render_as_string(hide_password=False))


def test_the_urls_are_printed(server_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--db takes a role's folder as well, and `ambs sql` reads as the reader without being told."""
    for role in ("reader", "runner"):
        app(["db", "url", "--folder", str(server_folder), f"--{role}"], standalone_mode=False)
        said = make_url(capsys.readouterr().out.strip())
        assert (said.username, said.password) == (f"ambs_{role}", None)
    with pytest.raises(UsageError, match="One role"):
        app(["db", "url", "--folder", str(server_folder), "--runner", "--reader"], standalone_mode=False)
    for database in (server_folder, server_folder / "reader"):
        command = ["sql", "SELECT current_user", "--db", str(database)]
        app(command, standalone_mode=False)
        assert capsys.readouterr().out.split() == ["current_user", "ambs_reader"]
    elsewhere = databases.named("other")
    assert reader_instead(elsewhere) == elsewhere
    assert reader_instead("sqlite:///x.db") == "sqlite:///x.db"
    with pytest.raises(DatabaseRefused, match="ambs db start"):
        role_url(server_folder / "nowhere", "reader")
