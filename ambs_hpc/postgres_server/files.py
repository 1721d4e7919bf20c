"""The files of a private PostgreSQL: their places, their contents, and who may read them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import URL

OWNER_ROLE = "ambs"
ROLES = {"runner": "ambs_runner", "reader": "ambs_reader"}  # besides the owner
DATABASE = "ambs"
INCLUDE = "include = 'ambs.conf'"


@dataclass(frozen=True, slots=True)
class Owner:
    """Where the server of a folder runs, or ran last; on a shared file system a pid alone says nothing."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class ServerFolder:
    """The folder `ambs-db` of a private server: its data, and what its clients need."""

    path: Path

    @property
    def data(self) -> Path:
        """PostgreSQL's own directory."""
        return self.path / "data"

    @property
    def url(self) -> Path:
        """The URL by which clients connect as the owner; it holds no password."""
        return self.path / "url"

    @property
    def passwords(self) -> Path:
        """The owner's password in the form that libpq reads; mode 0600."""
        return self.path / "pgpass"

    def url_file(self, role: str) -> Path:
        """The URL for one of `ROLES`, in a folder that --db takes; it holds no password."""
        return self.path / role / "url"

    def password_file(self, role: str) -> Path:
        """The password of one of `ROLES`; mode 0600."""
        return self.path / role / "pgpass"

    @property
    def certificate(self) -> Path:
        """The certificate by which clients verify the server."""
        return self.path / "server.crt"

    @property
    def key(self) -> Path:
        """The certificate's private key; mode 0600, owned by the server's user."""
        return self.data / "server.key"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.data / "server.log"

    @property
    def lock(self) -> Path:
        """Locked by the one `start` or `stop` that works on this folder."""
        return self.path / "lock"

    @property
    def owner_file(self) -> Path:
        """Holds the `Owner`; absent after an orderly stop."""
        return self.path / "owner.json"

    def owner(self) -> Owner | None:
        """Where the server was started last; None after an orderly stop."""
        try:
            return Owner(**json.loads(self.owner_file.read_text()))
        except FileNotFoundError:
            return None

    def write_owner(self, owner: Owner) -> None:
        """Store where the server runs."""
        write_private(self.owner_file, json.dumps(asdict(owner)) + "\n")

    def last_port(self) -> int | None:
        """The port of the last start, which clients know; None before the first."""
        from sqlalchemy import make_url

        return make_url(self.url.read_text().strip()).port if self.url.is_file() else None

    def write_urls(self, host: str, port: int, *, tls: bool) -> str:
        """Write the files by which clients find the server, one a role; returns the owner's URL."""
        for role, name in ROLES.items():
            made = self._url(name, self.password_file(role), host, port, tls=tls)
            write_private(self.url_file(role), made + "\n")
        text = self._url(OWNER_ROLE, self.passwords, host, port, tls=tls)
        write_private(self.url, text + "\n")
        return text

    def _url(self, role: str, passwords: Path, host: str, port: int, *, tls: bool) -> str:
        query = {"passfile": str(passwords)}
        if tls:
            # The certificate is its own authority: it proves the server whatever name is used to connect.
            query |= {
                "sslmode": "verify-ca",
                "sslrootcert": str(self.certificate),
                "channel_binding": "require",
            }
        else:
            query |= {"sslmode": "disable"}
        made = URL.create("postgresql", role, None, host, port, DATABASE, query)
        return made.render_as_string(hide_password=False)


def write_private(path: Path, text: str) -> None:
    """Write the file whole or not at all; only its owner may read it, or enter a folder made for it."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def access_rules(*, tls: bool) -> str:
    """The text of pg_hba.conf: our roles, from anywhere, by scram; with TLS, never without."""
    kind = "hostssl" if tls else "host"
    return (
        "# written by ambs db start\n"
        f"{kind} all {OWNER_ROLE} all scram-sha-256\n"
        f"{kind} {DATABASE} {','.join(ROLES.values())} all scram-sha-256\n"
    )


def settings(listen: str, port: int, folder: ServerFolder, *, tls: bool, durable: bool) -> str:
    """The text of ambs.conf, which postgresql.conf includes."""
    values = {
        "listen_addresses": f"'{listen}'",
        "port": str(port),
        "unix_socket_directories": "''",  # none is needed, and its path may be too long for the kernel
        "password_encryption": "'scram-sha-256'",
        "max_connections": "200",
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
        "jit": "off",  # costs more than it saves on statements as small as ours
    }
    if tls:
        values |= {
            "ssl": "on",
            "ssl_cert_file": "'server.crt'",
            "ssl_key_file": "'server.key'",
            "ssl_min_protocol_version": "'TLSv1.2'",
        }
    if not durable:
        values |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
    return "".join(f"{name} = {value}\n" for name, value in values.items())


def names_of_this_host() -> list[str]:
    """The names and addresses of this host, as the certificate lists them."""
    names = {socket.gethostname(), socket.getfqdn(), "localhost"}
    addresses = {"127.0.0.1", "::1"}
    with contextlib.suppress(OSError):  # a host that cannot resolve its own name is reached by address
        addresses |= {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None)}
    clean = {address.partition("%")[0] for address in addresses}
    return [f"DNS:{name}" for name in sorted(names)] + [f"IP:{address}" for address in sorted(clean)]


def is_certificate(path: Path) -> bool:
    """Whether the file holds a certificate that can be loaded."""
    try:
        ssl.create_default_context(cafile=str(path))
    except (OSError, ssl.SSLError):
        return False
    return True
