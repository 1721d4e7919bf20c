"""A private PostgreSQL for people without root is created, started, found again and stopped."""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ambs_hpc.errors import DatabaseRefused, UsageError
from ambs_hpc.file_lock import file_lock
from ambs_hpc.file_systems import network_file_system
from ambs_hpc.postgres_server.binaries import find_binaries
from ambs_hpc.postgres_server.cluster import make_certificate, make_cluster
from ambs_hpc.postgres_server.files import (
    INCLUDE,
    OWNER_ROLE,
    Owner,
    ServerFolder,
    access_rules,
    settings,
    write_private,
)
from ambs_hpc.postgres_server.programs import Programs, server_user
from ambs_hpc.postgres_server.roles import make_roles
from ambs_hpc.postgres_server.server_options import ServerOptions

PORT_ATTEMPTS = 5
START_SECONDS = 60
START_LIMIT_SECONDS = 900  # after a crash it first replays its log, which on a slow disk takes minutes
READY_POLL_SECONDS = 0.2
STOP_SECONDS = 180  # it first writes to disk what it has in memory

_NO_ADDRESS = re.compile(r"could not translate host name|Cannot assign requested address")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What is known about a private server.

    Args:
        running: it accepts connections.
        url: how to connect, without the password, which libpq finds by itself; psql's form.
        notes: what the user must be told, for instance that there is no TLS.
    """

    running: bool
    url: str
    host: str
    port: int
    tls: bool
    notes: tuple[str, ...] = ()

    @property
    def sqlalchemy_url(self) -> str:
        """The URL with the driver in it."""
        return with_driver(self.url)


def with_driver(url: str) -> str:
    """The URL as SQLAlchemy reads it, whose default driver depends on its version; psql refuses this form."""
    return f"postgresql+psycopg2:{url.partition(':')[2]}"


def start_server(options: ServerOptions, environment: Mapping[str, str]) -> ServerStatus:
    """Start the server of the folder, after creating it if need be; one that runs already is not changed.

    Raises:
        UsageError: there are no PostgreSQL programs.
        DatabaseRefused: another host runs it, or may run it; or it does not start, with the end of its log.
    """
    folder = ServerFolder(options.folder.absolute())
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"--folder {options.folder}: it is, or lies below, a file. Give a folder.") from None
    with _locked(folder):
        _refuse_other_host(folder, options)
        # An earlier `ambs db start` may have been ended while its server was still starting.
        if _answers(folder) or (_becomes_ready(folder) and _answers(folder)):
            return _with_what_waits(server_status(folder.path), options)
        version = _data_version(folder)
        binaries = find_binaries(options.binaries, environment, version=version)
        programs = Programs(binaries, server_user(), environment)
        if version is None:
            make_cluster(folder, programs)
        _remove_stale_pid(folder)
        make_roles(folder, programs)
        notes = _note_places(folder)
        tls = make_certificate(folder, programs)
        if not tls:
            notes += (
                "NO TLS: this PostgreSQL has none, or there is no `openssl` to make a certificate. The "
                "password stays secret (scram), but everybody on the network can read the data.",
            )
        return _start(folder, options, programs, tls=tls, notes=notes)


def stop_server(folder_path: Path, binaries: Path | None, environment: Mapping[str, str]) -> bool:
    """Stop the server of the folder in order; False when it did not run.

    Raises:
        DatabaseRefused: it runs on another host, or does not end.
    """
    folder = ServerFolder(folder_path.absolute())
    if not folder.data.is_dir():
        raise DatabaseRefused(f"There is no server in {folder.path}. `ambs db start` makes one.")
    with _locked(folder):
        owner = folder.owner()
        if owner is not None and owner.host != socket.gethostname():
            raise DatabaseRefused(f"The server of {folder.path} was started on {owner.host}. Stop it there.")
        if _running_pid(folder) is None:
            folder.owner_file.unlink(missing_ok=True)
            return False
        programs = Programs(
            find_binaries(binaries, environment, version=_data_version(folder)), server_user(), environment
        )
        programs.run("pg_ctl", "-D", str(folder.data), "-m", "fast", "-w", "-t", str(STOP_SECONDS), "stop")
        folder.owner_file.unlink(missing_ok=True)
    return True


def server_status(folder_path: Path) -> ServerStatus:
    """What is known about the server of the folder, wherever it runs.

    Raises:
        DatabaseRefused: there is none.
    """
    from sqlalchemy import make_url

    folder = ServerFolder(folder_path.absolute())
    if not folder.url.is_file():
        raise DatabaseRefused(f"There is no server in {folder.path}. `ambs db start` makes one.")
    text = folder.url.read_text().strip()
    url = make_url(text)
    tls = url.query.get("sslmode") != "disable"
    return ServerStatus(_answers(folder), text, str(url.host), int(url.port or 0), tls)


def role_url(folder_path: Path, role: str) -> str:
    """How to connect as another role than the owner, without the password.

    Args:
        role: "runner", which works on rows and makes no tables, or "reader", which only reads.

    Raises:
        DatabaseRefused: there is no server, or none that has this role.
    """
    folder = ServerFolder(folder_path.absolute())
    if not folder.url_file(role).is_file():
        raise DatabaseRefused(
            f"The server of {folder.path} has no {role}. `ambs db start` makes it, of a server that runs "
            "after `ambs db stop`."
        )
    return folder.url_file(role).read_text().strip()


def reader_instead(url: str) -> str:
    """The reader's URL where `url` is the owner's of a private server that has one; else `url` itself."""
    from sqlalchemy import make_url

    given = make_url(url)
    passwords = given.query.get("passfile")
    if given.username != OWNER_ROLE or not isinstance(passwords, str):
        return url
    try:
        reader = make_url(ServerFolder(Path(passwords).parent).url_file("reader").read_text().strip())
    except OSError:
        return url
    same_place = (given.host, given.port, given.database) == (reader.host, reader.port, reader.database)
    return reader.render_as_string(hide_password=False) if same_place else url


@contextlib.contextmanager
def _locked(folder: ServerFolder) -> Iterator[None]:
    """Keep every other `ambs db start` and `stop` from this folder meanwhile."""
    busy = f"Another `ambs db start` or `stop` works on {folder.path}. Wait for it, then try again."
    with file_lock(folder.lock, DatabaseRefused(busy)) as missing:
        if missing:
            logger.warning("%s lies where there are no locks: %s", folder.path, missing)
        yield


def _refuse_other_host(folder: ServerFolder, options: ServerOptions) -> None:
    owner = folder.owner()
    if owner is None or owner.host == socket.gethostname() or options.take_over or _answers(folder):
        return
    raise DatabaseRefused(
        f"The server of {folder.path} was started on {owner.host} and does not answer at port "
        f"{owner.port}. Two servers on one data directory destroy it. Stop it on {owner.host} (`ambs db "
        "stop`); only if that host is dead for certain: `ambs db start --take-over`."
    )


def _answers(folder: ServerFolder) -> bool:
    """Whether a server accepts connections where clients look for it, and knows our password."""
    import psycopg2

    if not folder.url.is_file() or folder.owner() is None:
        return False
    try:
        psycopg2.connect(folder.url.read_text().strip(), connect_timeout=5).close()
    except psycopg2.OperationalError:
        return False
    return True


def _data_version(folder: ServerFolder) -> int | None:
    """PostgreSQL's major version of a cluster that was made to its end; None where there is none."""
    file = folder.data / "PG_VERSION"
    return int(file.read_text()) if file.is_file() and folder.passwords.is_file() else None


def _running_pid(folder: ServerFolder) -> int | None:
    """The pid of the postmaster of this data directory on this host; None when it does not run."""
    try:
        pid = int((folder.data / "postmaster.pid").read_text().split()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError, IndexError):
        return None
    return pid if str(folder.data).encode() in command else None


def _becomes_ready(folder: ServerFolder) -> bool:
    """Wait while the postmaster starts; False when none runs.

    Raises:
        DatabaseRefused: it is still starting after `START_LIMIT_SECONDS`, and goes on.
    """
    begun, has_told = time.monotonic(), False
    while _running_pid(folder) is not None:
        if _postmaster_state(folder) == "ready":
            return True
        waited = time.monotonic() - begun
        if waited > START_LIMIT_SECONDS:
            raise DatabaseRefused(
                f"PostgreSQL has been starting for {waited / 60:.0f} min and goes on. See {folder.log}; "
                "`ambs db start` waits for it again."
            )
        if not has_told:
            logger.warning("PostgreSQL is still starting: waiting for it. See %s", folder.log)
            has_told = True
        time.sleep(READY_POLL_SECONDS)
    return False


def _postmaster_state(folder: ServerFolder) -> str:
    """What the postmaster says of itself in the eighth line of its pid file: "starting", "ready", ..."""
    try:
        return (folder.data / "postmaster.pid").read_text().splitlines()[7].strip()
    except (OSError, IndexError):
        return ""


def _remove_stale_pid(folder: ServerFolder) -> None:
    """Remove a crashed server's pid file: PostgreSQL would not start where that pid is in use again."""
    pid_file = folder.data / "postmaster.pid"
    pid = _running_pid(folder)
    if pid is not None:
        raise DatabaseRefused(
            f"A server (pid {pid}) of {folder.data} runs here, but does not accept connections by "
            f"{folder.url}. See {folder.log}; `ambs db stop` ends it."
        )
    pid_file.unlink(missing_ok=True)


def _with_what_waits(seen: ServerStatus, options: ServerOptions) -> ServerStatus:
    """With a note on what was asked for otherwise of a server that runs already."""
    asked = {"--port": (options.port, seen.port), "--host": (options.host, seen.host)}
    waiting = [name for name, (wanted, has) in asked.items() if wanted not in (None, has)]
    if not waiting:
        return seen
    words = f"It runs already and is not changed: `ambs db stop` first, for {' and '.join(waiting)} to hold."
    return replace(seen, notes=(*seen.notes, words))


def _note_places(folder: ServerFolder) -> tuple[str, ...]:
    network = network_file_system(folder.data)
    if network is None:
        return ()
    return (
        f"The data lie on {network}: a local disk is faster, and {network} must honour fsync for commits "
        "to survive a crash of the machine.",
    )


def _start(
    folder: ServerFolder, options: ServerOptions, programs: Programs, *, tls: bool, notes: tuple[str, ...]
) -> ServerStatus:
    host = options.host or ("127.0.0.1" if options.listen in ("127.0.0.1", "localhost") else _own_name())
    before = folder.last_port()
    port = options.port or before
    for _ in range(PORT_ATTEMPTS):
        chosen = port or _free_port()
        _configure(folder, options, programs, chosen, tls=tls)
        # Before the start, so that a killed `ambs db start` leaves no server that is recorded nowhere.
        folder.write_owner(Owner(socket.gethostname(), chosen))
        text = folder.write_urls(host, chosen, tls=tls)
        if _try_start(folder, programs):
            if before not in (None, chosen):
                notes += (
                    f"The port changed from {before} to {chosen}: start again what uses this database.",
                )
            return ServerStatus(True, text, host, chosen, tls, notes)
        port = None
        if options.port is not None:
            break
    folder.owner_file.unlink(missing_ok=True)
    others = "" if options.port is not None else " and others"
    raise DatabaseRefused(
        f"No port to listen on: tried {chosen}{others}. See {folder.log}, or give another --port."
    )


def _configure(
    folder: ServerFolder, options: ServerOptions, programs: Programs, port: int, *, tls: bool
) -> None:
    configured = folder.data / "postgresql.conf"
    if INCLUDE not in configured.read_text():
        with configured.open("a") as file:
            file.write(f"\n{INCLUDE}\n")
    ours = settings(options.listen, port, folder, tls=tls, durable=options.durable)
    for name, text in (("ambs.conf", ours), ("pg_hba.conf", access_rules(tls=tls))):
        write_private(folder.data / name, text)
        programs.own(folder.data / name)


def _try_start(folder: ServerFolder, programs: Programs) -> bool:
    """Start the server; False when the port was taken.

    Raises:
        DatabaseRefused: it does not start for another reason; the message holds the end of its log.
    """
    already_said = folder.log.stat().st_size if folder.log.is_file() else 0
    try:
        programs.run(
            *(
                "pg_ctl",
                "-D",
                str(folder.data),
                "-l",
                str(folder.log),
                "-w",
                "-t",
                str(START_SECONDS),
                "start",
            )
        )
    except DatabaseRefused:
        if _becomes_ready(folder):  # pg_ctl had waited for long enough, its server goes on
            return True
        said = folder.log.read_bytes()[already_said:].decode(errors="replace") if folder.log.is_file() else ""
        if _NO_ADDRESS.search(said):
            raise DatabaseRefused(
                f"PostgreSQL cannot listen there. Correct --listen, or leave it away: {said.strip()}"
            ) from None
        if "could not bind" in said or "could not create any TCP/IP sockets" in said:
            return False
        raise DatabaseRefused(
            f"PostgreSQL does not start. It says in {folder.log}: {said.strip()[-1000:] or 'nothing'}"
        ) from None
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _own_name() -> str:
    """This host's name as other hosts know it, or 127.0.0.1 where no name can be resolved."""
    for name in (socket.getfqdn(), socket.gethostname()):
        with contextlib.suppress(OSError):
            socket.getaddrinfo(name, None)
            if not name.startswith("localhost"):  # some /etc/hosts map every name to it
                return name
    return "127.0.0.1"
