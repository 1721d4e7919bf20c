"""Which database is meant, and one clear message for each way in which it cannot be used."""

from __future__ import annotations

import sqlite3
import traceback
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from ambs_hpc.errors import (
    DatabaseError,
    DatabaseLocked,
    DatabaseRefused,
    DatabaseUnreachable,
    NetworkFileSystem,
    UsageError,
)
from ambs_hpc.file_systems import network_file_system
from ambs_hpc.queue import database_url, open_database, reading, transaction
from tests import databases

HOME = Path("/home/me/digits")


@pytest.mark.parametrize(
    ("given", "environment", "url"),
    [
        (None, {}, "sqlite:////home/me/digits/ambs.db"),
        (None, {"AMBS_DB": "/data/a.db"}, "sqlite:////data/a.db"),
        ("b.db", {"AMBS_DB": "/data/a.db"}, "sqlite:////home/me/digits/b.db"),
        ("sqlite:///b.db", {}, "sqlite:////home/me/digits/b.db"),
        ("sqlite:////data/b.db", {}, "sqlite:////data/b.db"),
        ("postgres://me:a%40b@db:5433/x", {}, "postgresql+psycopg2://me:a%40b@db:5433/x"),
        ("postgresql://db/x?sslmode=require", {}, "postgresql+psycopg2://db/x?sslmode=require"),
        ("postgresql+psycopg2://me@db/x", {}, "postgresql+psycopg2://me@db/x"),
        ("postgresql+psycopg://me@db/x", {}, "postgresql+psycopg2://me@db/x"),
    ],
)
def test_the_option_goes_before_the_environment(
    given: str | None, environment: dict[str, str], url: str
) -> None:
    """--db, else $AMBS_DB, else ambs.db in the folder."""
    assert database_url(given, environment, HOME) == url


def test_a_private_server_of_the_folder_is_found(tmp_path: Path) -> None:
    """After `ambs db start` no option is needed; it also works from another folder."""
    (tmp_path / "ambs-db").mkdir()
    (tmp_path / "ambs-db" / "url").write_text("postgresql://ambs@node1:5555/ambs?passfile=/x\n")
    expected = "postgresql+psycopg2://ambs@node1:5555/ambs?passfile=%2Fx"
    assert database_url(None, {}, tmp_path) == expected
    for given in (tmp_path, tmp_path / "ambs-db", tmp_path / "ambs-db" / "url"):
        assert database_url(str(given), {}, HOME) == expected
    assert database_url("other.db", {}, tmp_path) == f"sqlite:///{tmp_path}/other.db"


@pytest.mark.parametrize("url", ["mysql://me:secret@db/x", "post gres://me:secret@db", "://secret"])
def test_other_urls_are_refused_without_the_password(url: str) -> None:
    """A message may end in a ticket."""
    with pytest.raises(UsageError) as caught:
        database_url(url, {}, HOME)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db/x?PASSWORD=secret",
        "postgresql://db/x?sslpassword=secret&sslkey=k",
        "postgresql://db/x?oauth_client_secret=secret",
        "postgresql://db/x?dsn=password%3Dsecret",
        "postgresql://me:%00secret@db/x",
        "postgresql://me:secret@[::1/x",
        "postgresql://me:secret@db:port/x",
        "host=db user=me password=secret",
        "postgresql:me:secret@db/x",
        "jdbc:postgresql:me:secret@db/x",
    ],
)
def test_a_password_in_a_strange_place_is_not_shown(url: str) -> None:
    """Where it could not be masked, it is refused; neither the message nor the traceback has it."""
    for place in ({"given": url, "environment": {}}, {"given": None, "environment": {"AMBS_DB": url}}):
        with pytest.raises(UsageError, match=r"pgpass") as caught:
            database_url(directory=HOME, **place)  # type: ignore[arg-type]
        assert "secret" not in "".join(traceback.format_exception(caught.value)).replace("_secret", "")


def test_a_password_in_the_query_is_used_and_masked() -> None:
    """As libpq takes it, with or without a user beside it."""
    for given in ("postgresql://me@db/x?password=s%40cret", "postgresql://db/x?password=s%40cret"):
        url = make_url(database_url(given, {}, HOME))
        assert (url.password, dict(url.query)) == ("s@cret", {})
        assert "cret" not in f"{url} {url!r}"


def refused(url: str, kind: type[DatabaseError], **options: bool) -> str:
    """The message with which the database is refused."""
    with pytest.raises(kind) as caught:
        open_database(url, **options)
    assert type(caught.value) is kind
    message = str(caught.value)
    assert "secret" not in message
    assert "Traceback" not in message
    return message


def test_sqlite_problems_are_told(tmp_path: Path) -> None:
    """What was tried, what was seen, what to do."""
    text_file = tmp_path / "notes.txt"
    text_file.write_text("Dear diary, this is no database at all, but rather a long text." * 20)
    assert "SQLite database" in refused(f"sqlite:///{text_file}", DatabaseRefused)
    assert "does not exist" in refused(f"sqlite:///{tmp_path}/nowhere/ambs.db", DatabaseRefused)
    assert "There is no database" in refused(f"sqlite:///{tmp_path}/none.db", DatabaseRefused, create=False)


def test_a_locked_file_is_told(sqlite_url: str) -> None:
    """Somebody left `BEGIN` open in a shell."""
    file = sqlite_url.removeprefix("sqlite:///")
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    engine = open_database(f"{sqlite_url}?timeout=0.05")
    with pytest.raises(DatabaseLocked, match="fuser"), transaction(engine):
        pass
    with reading(engine) as connection:  # reading goes on: write-ahead log
        connection.execute(text("SELECT count(*) FROM evaluation"))
    holder.close()
    engine.dispose()


def test_postgresql_problems_are_told() -> None:
    """Waiting helps against a server that is away, and not against a wrong password."""
    good = make_url(databases.postgresql_server().url)

    def changed(**parts: object) -> str:
        return good.set(**parts).render_as_string(hide_password=False)  # type: ignore[arg-type]

    wrong = changed(password="secret")
    assert "password authentication failed" in refused(wrong, DatabaseRefused)
    assert "does not exist" in refused(changed(database="nowhere"), DatabaseRefused)
    assert "refused" in refused(changed(username="nobody", password="secret"), DatabaseRefused)
    plain = changed(query={**good.query, "sslmode": "disable", "channel_binding": "disable"})
    assert "no encryption" in refused(plain, DatabaseRefused)
    strange = changed(query={**good.query, "sslrootcert": "/none/such.crt"})
    assert "certificate" in refused(strange, DatabaseRefused)
    message = refused(changed(port=9, password="secret"), DatabaseUnreachable)
    assert "ambs db status" in message
    assert "127.0.0.1:9/" in message
    assert "sslrootcert" not in message  # where, not how: that fills a screen
    assert message.count("Is the server running") == 1  # libpq asks, too


def test_a_host_that_is_not_found_is_told() -> None:
    """Nobody shall look for a wrong password where a name is mistyped."""
    message = refused("postgresql://me:secret@no-such-host.invalid/x", DatabaseRefused)
    assert "cannot be found" in message
    assert "password" not in message


def test_an_old_server_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Better at once than by a syntax error at night."""
    monkeypatch.setattr("ambs_hpc.queue.sql.engine.OLDEST_POSTGRESQL", 99)
    assert "99 or newer" in refused(databases.postgresql_server().url, DatabaseRefused)


def test_a_broken_connection_is_told_and_the_next_one_works(postgresql_url: str) -> None:
    """Long-running programs catch DatabaseUnreachable and try again."""
    engine = open_database(postgresql_url)
    with pytest.raises(DatabaseUnreachable, match="may come back"), transaction(engine) as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        killer = open_database(postgresql_url)
        with transaction(killer) as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        killer.dispose()
        connection.execute(text("SELECT 1"))
    with transaction(engine) as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    engine.dispose()


def test_reading_cannot_write_on_postgresql(postgresql_url: str) -> None:
    """The database itself holds the promise."""
    engine = open_database(postgresql_url)
    with pytest.raises(DatabaseRefused, match="read-only"), reading(engine) as connection:
        connection.execute(text("DELETE FROM evaluation"))
    engine.dispose()


MOUNTS = """\
22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw
40 22 0:45 / /lus/theta rw,noatime shared:2 - lustre 10.0.0.1@o2ib:/theta rw,flock
41 22 0:46 / /home rw shared:3 - nfs4 server:/home rw,vers=4.2
42 41 0:47 / /home/me/local\\040disk rw - xfs /dev/sdb rw
43 22 0:48 / /scratch rw - nfs server:/a rw
44 22 0:49 / /scratch rw - tmpfs tmpfs rw
45 22 0:50 / /gpfs rw - gpfs mmfs1 rw
46 22 0:51 / /sshfs rw - fuse.sshfs me@there: rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/tmp/ambs.db", None),
        ("/lus/theta/me/ambs.db", "lustre"),
        ("/lus/thetagpu/ambs.db", None),
        ("/home/me/ambs.db", "nfs4"),
        ("/home/me/local disk/ambs.db", None),
        ("/scratch/ambs.db", None),  # the later mount hides the earlier
        ("/gpfs/x/../ambs.db", "gpfs"),
        ("/sshfs/ambs.db", "fuse.sshfs"),
    ],
)
def test_network_file_systems_are_recognised(path: str, kind: str | None) -> None:
    """By the longest mount point above the file."""
    assert network_file_system(Path(path), MOUNTS) == kind


def test_sqlite_on_a_network_file_system_needs_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its locks have corrupted databases before; a forced one does without shared memory."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text("22 1 0:45 / / rw - lustre server:/x rw\n")
    monkeypatch.setattr("ambs_hpc.file_systems.MOUNTS", mounts)
    url = f"sqlite:///{tmp_path}/ambs.db"
    message = refused(url, NetworkFileSystem)
    assert "lustre" in message
    assert "ambs db start" in message
    engine = open_database(url, allow_network_file_system=True)
    with reading(engine) as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "delete"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
    engine.dispose()


def test_sqlite_is_opened_for_many_processes(sqlite_url: str) -> None:
    """Readers do not stop the writer, keys are checked, and a locked file is waited for."""
    engine = open_database(sqlite_url)
    with reading(engine) as connection:
        answers = [
            connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert answers == ["wal", 1, 1, 10_000]
    engine.dispose()
