"""A private PostgreSQL: safe by default, found by others, and still there after a crash."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import create_engine, make_url

from ambs_hpc.errors import DatabaseRefused, UsageError
from ambs_hpc.postgres_server import (
    ServerOptions,
    ServerStatus,
    role_url,
    server,
    server_status,
    start_server,
    stop_server,
)
from ambs_hpc.postgres_server.binaries import find_binaries
from ambs_hpc.postgres_server.files import ROLES, Owner, ServerFolder
from ambs_hpc.postgres_server.programs import Programs, server_user
from ambs_hpc.postgres_server.roles import run_single_user
from ambs_hpc.queue import database_url, find_campaign, open_database, reading, transaction
from tests import databases
from tests.queue import stock


@pytest.fixture
def campaign_folder() -> Iterator[Path]:
    """A folder that the server's user may enter; whatever runs in it is ended."""
    folder = Path(tempfile.mkdtemp(prefix="ambs-tests-"))
    folder.chmod(0o755)
    yield folder
    if (folder / "ambs-db" / "data").is_dir():
        stop_server(folder / "ambs-db", None, os.environ)
    shutil.rmtree(folder)


def start(campaign_folder: Path, **changes: object) -> ServerStatus:
    """Start as `ambs db start` does, but on this machine only."""
    options = ServerOptions(campaign_folder / "ambs-db", listen="127.0.0.1", **changes)  # type: ignore[arg-type]
    return start_server(options, os.environ)


def postmaster(campaign_folder: Path) -> int:
    return int((campaign_folder / "ambs-db" / "data" / "postmaster.pid").read_text().split()[0])


def test_life_of_a_server(campaign_folder: Path) -> None:
    """Started twice, killed, started again at the same port with all its data, stopped twice."""
    status = start(campaign_folder)
    assert (status.running, status.tls, status.notes) == (True, True, ())
    again = start(campaign_folder, port=status.port - 1)  # runs already: left alone, and told
    assert again.port == status.port
    assert "--port" in again.notes[0]
    url = database_url(None, {}, campaign_folder)
    engine = open_database(url)
    with transaction(engine) as connection:
        stock.campaign(connection)
    engine.dispose()

    killed = postmaster(campaign_folder)
    os.kill(killed, signal.SIGKILL)
    databases.wait_until(lambda: not server_status(campaign_folder / "ambs-db").running)
    databases.wait_until(lambda: not children_of_dead(campaign_folder))
    forget_roles(campaign_folder)
    assert start(campaign_folder).port == status.port  # launchers that wait for it find it
    engine = open_database(url)
    with reading(engine) as connection:
        assert find_campaign(connection, "digits") is not None
    engine.dispose()
    engine = open_database(role_url(campaign_folder / "ambs-db", "reader"))  # of tables older than the role
    with reading(engine) as connection:
        assert find_campaign(connection, "digits") is not None
    engine.dispose()

    assert stop_server(campaign_folder / "ambs-db", None, os.environ) is True
    assert server_status(campaign_folder / "ambs-db").running is False
    assert stop_server(campaign_folder / "ambs-db", None, os.environ) is False


def forget_roles(campaign_folder: Path) -> None:
    """As if the server had been made before there were other roles than the owner."""
    folder = ServerFolder(campaign_folder / "ambs-db")
    (folder.data / "postmaster.pid").unlink(missing_ok=True)  # of the killed one
    programs = Programs(find_binaries(None, os.environ), server_user(), os.environ)
    statements = [f"DROP OWNED BY {name}; DROP ROLE {name};" for name in ROLES.values()]
    run_single_user(folder, programs, "ambs", statements, ())
    for role in ROLES:
        shutil.rmtree(folder.path / role)


def children_of_dead(campaign_folder: Path) -> bool:
    """Whether processes of the killed server still hold its shared memory."""
    data = str(campaign_folder / "ambs-db" / "data")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if str((entry / "cwd").readlink()) == data:
                    return True
            except OSError:
                continue
    return False


def test_secrets_stay_secret(campaign_folder: Path) -> None:
    """Nothing that can be shown holds the password, and its file is private."""
    status = start(campaign_folder)
    folder = ServerFolder(campaign_folder / "ambs-db")
    private = [folder.passwords, folder.url, folder.key]
    private += [file for role in ROLES for file in (folder.password_file(role), folder.url_file(role))]
    assert {oct(file.stat().st_mode & 0o777) for file in private} == {"0o600"}
    files = [folder.passwords, *map(folder.password_file, ROLES)]
    passwords = [file.read_text().strip().rsplit(":", 1)[1] for file in files]
    assert all(len(password) >= 32 for password in passwords)
    assert len(set(passwords)) == 3
    urls = [status.url, *(role_url(folder.path, role) for role in ROLES)]
    assert oct(folder.data.stat().st_mode & 0o777) == "0o700"
    said = "".join([*urls, folder.log.read_text()])
    shown = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    assert "postgres" in shown
    data = b"".join(file.read_bytes() for file in folder.data.rglob("*") if file.is_file())
    for password in passwords:
        assert password not in said + shown
        assert password.encode() not in data


def test_only_scram_over_tls_is_let_in(campaign_folder: Path) -> None:
    """Wrong passwords, plain connections and the administrator stay outside."""
    status = start(campaign_folder)
    good = make_url(status.url)
    query = dict(good.query)
    with create_engine(status.sqlalchemy_url).connect() as by_sqlalchemy:  # whose default is another driver
        assert by_sqlalchemy.dialect.driver == "psycopg2"
    connection = psycopg2.connect(status.url)
    with connection.cursor() as cursor:
        cursor.execute("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        assert cursor.fetchone() == (True, "TLSv1.3")
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False,)
    connection.close()
    refusals = {
        "password authentication failed": good.set(password="wrong"),
        "no encryption": good.set(query=query | {"sslmode": "disable", "channel_binding": "disable"}),
        "no pg_hba.conf entry": good.set(username="ambs_admin", password="wrong"),
    }
    for reason, url in refusals.items():
        with pytest.raises(psycopg2.OperationalError, match=reason):
            psycopg2.connect(url.render_as_string(hide_password=False))


def test_another_hosts_data_are_not_touched(campaign_folder: Path) -> None:
    """On a shared file system a pid says nothing: two servers on one directory would destroy it."""
    start(campaign_folder)
    stop_server(campaign_folder / "ambs-db", None, os.environ)
    folder = ServerFolder(campaign_folder / "ambs-db")
    folder.write_owner(Owner("login9", 5432))
    with pytest.raises(DatabaseRefused, match=r"login9.*--take-over"):
        start(campaign_folder)
    with pytest.raises(DatabaseRefused, match="login9"):  # nor is the note about it removed
        stop_server(folder.path, None, os.environ)
    assert start(campaign_folder, take_over=True).running
    assert folder.owner() == Owner(socket.gethostname(), server_status(folder.path).port)


def test_a_reused_pid_does_not_stop_the_start(campaign_folder: Path) -> None:
    """After a reboot the old pid may be anybody's, this program's for instance."""
    start(campaign_folder)
    data = campaign_folder / "ambs-db" / "data"
    stale = (data / "postmaster.pid").read_text()
    stop_server(campaign_folder / "ambs-db", None, os.environ)
    (data / "postmaster.pid").write_text(stale.replace(stale.split()[0], str(os.getpid()), 1))
    assert start(campaign_folder).running


def test_a_taken_port_is_changed_and_told(campaign_folder: Path) -> None:
    """Better another port than no server."""
    first = start(campaign_folder)
    stop_server(campaign_folder / "ambs-db", None, os.environ)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", first.port))
        other.listen()
        second = start(campaign_folder)
        assert second.port != first.port
        assert str(second.port) in second.notes[0]
        stop_server(campaign_folder / "ambs-db", None, os.environ)
        with pytest.raises(DatabaseRefused, match="--port"):
            start(campaign_folder, port=first.port)


def test_without_tls_it_says_so_loudly(campaign_folder: Path) -> None:
    """Some builds have none, and some machines no `openssl`."""
    binaries = find_binaries(None, os.environ).folder
    options = ServerOptions(campaign_folder / "ambs-db", listen="127.0.0.1", binaries=binaries)
    status = start_server(options, {"PATH": str(campaign_folder)})
    assert status.tls is False
    assert "NO TLS" in status.notes[0]
    open_database(database_url(None, {}, campaign_folder)).dispose()


def test_an_unfinished_start_is_made_anew(campaign_folder: Path) -> None:
    """Killed in the middle of initdb."""
    data = campaign_folder / "ambs-db" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("15\n")
    assert start(campaign_folder).running


def test_a_start_slower_than_anybody_waits_keeps_its_data(
    campaign_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pg_ctl gives up, then we do: the next start waits for the same server, and for the same data."""
    binaries = campaign_folder / "impatient"
    impatient_pg_ctl(binaries)
    monkeypatch.setattr(server, "START_LIMIT_SECONDS", 0.0)
    monkeypatch.setattr(server, "_postmaster_state", lambda folder: "starting")
    with pytest.raises(DatabaseRefused, match="goes on"):
        start(campaign_folder, binaries=binaries)
    began = postmaster(campaign_folder)
    monkeypatch.undo()
    assert start(campaign_folder).running
    assert postmaster(campaign_folder) == began


def impatient_pg_ctl(folder: Path) -> None:
    """PostgreSQL's programs, of which pg_ctl starts the server and says that it has not come up in time."""
    real = find_binaries(None, os.environ)
    folder.mkdir()
    folder.chmod(0o755)
    for name in ("initdb", "postgres"):
        (folder / name).symlink_to(real.path(name))
    script = f'#!/bin/sh\n{real.path("pg_ctl")} "$@"\necho "did not start in time" >&2\nexit 1\n'
    (folder / "pg_ctl").write_text(script)
    (folder / "pg_ctl").chmod(0o755)


def test_there_is_no_server_to_stop(tmp_path: Path) -> None:
    """The message names the command."""
    with pytest.raises(DatabaseRefused, match="ambs db start"):
        stop_server(tmp_path / "ambs-db", None, os.environ)
    with pytest.raises(DatabaseRefused, match="ambs db start"):
        server_status(tmp_path / "ambs-db")


def test_where_there_are_no_locks_a_server_is_stopped_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lustre may be mounted without; PostgreSQL's own file keeps a second server away."""
    (tmp_path / "ambs-db" / "data").mkdir(parents=True)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert stop_server(tmp_path / "ambs-db", None, os.environ) is False


def fake_postgres(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    for name in ("initdb", "pg_ctl", "postgres"):
        (folder / name).write_text(f'#!/bin/sh\necho "{name} (PostgreSQL) {version}"\n')
        (folder / name).chmod(0o755)
    return folder


def test_binaries_are_looked_for_in_order(tmp_path: Path) -> None:
    """The one given, else $PG_BINDIR, else PATH, else conda's; incomplete and old ones are passed over."""
    path, variable, given = (fake_postgres(tmp_path / name, "16.2") for name in ("path", "variable", "given"))
    old = fake_postgres(tmp_path / "old", "12.9")
    conda = fake_postgres(tmp_path / "conda" / "bin", "17.0")
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = {"PATH": f"{empty}:{old}:{path}", "CONDA_PREFIX": str(tmp_path / "conda")}
    both = environment | {"PG_BINDIR": str(variable)}
    assert find_binaries(given, both).folder == given
    assert find_binaries(None, both).folder == variable
    assert find_binaries(None, environment).folder == path
    assert find_binaries(None, environment, version=17).folder == conda
    with pytest.raises(UsageError, match=r"version 12.*conda-forge"):
        find_binaries(old, environment)
    with pytest.raises(UsageError, match="which made the data directory"):
        find_binaries(path, environment, version=15)


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("port", [0, -1, 65_536, 99_999_999]),
        ("listen", ["", "a'b", "a b", "*,"]),
        ("host", ["", "a b", "a/b", "a@b", "*"]),
    ],
)
def test_what_postgresql_would_refuse_never_reaches_its_configuration(
    option: str, values: list[object], tmp_path: Path
) -> None:
    """With it in there no later start succeeds, whatever is said then."""
    for value in values:
        with pytest.raises(UsageError, match=f"--{option} .*give "):
            ServerOptions(tmp_path / "ambs-db", **{option: value})  # type: ignore[arg-type]
    for listen in ("*", "127.0.0.1", "::1, node-1.site.org", "localhost"):
        ServerOptions(tmp_path / "ambs-db", listen=listen, host="node-1.site.org", port=1)


def test_a_file_is_no_folder_of_a_server(tmp_path: Path) -> None:
    """The message says which option is wrong."""
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match=r"--folder .*Give a folder"):
            start_server(ServerOptions(folder), {})
