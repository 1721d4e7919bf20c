"""The files of a private PostgreSQL: who may read them, and what stands in them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import URL

ROLE = "ambs"
DATABASE = "ambs"
INCLUDE = "include = 'ambs.conf'"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who runs, or ran, the server of a folder; on a shared file system a pid alone says nothing."""

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
        """How clients connect; holds no password."""
        return self.path / "url"

    @property
    def passwords(self) -> Path:
        """The password, as libpq reads it; 0600."""
        return self.path / "pgpass"

    @property
    def certificate(self) -> Path:
        """What clients check the server by."""
        return self.path / "server.crt"

    @property
    def key(self) -> Path:
        """The certificate's private key; 0600, of the server's user."""
        return self.data / "server.key"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.data / "server.log"

    @property
    def lock(self) -> Path:
        """Lease by the one `start` or `stop` that works here."""
        return self.path / "lock"

    @property
    def owner_file(self) -> Path:
        """See `Owner`; absent after an orderly stop."""
        return self.path / "owner.json"

    def owner(self) -> Owner | None:
        """Who runs the server, by the last start."""
        try:
            return Owner(**json.loads(self.owner_file.read_text()))
        except FileNotFoundError:
            return None

    def write_owner(self, owner: Owner) -> None:
        """Remember who runs the server."""
        write_private(self.owner_file, json.dumps(asdict(owner)) + "\n")

    def last_port(self) -> int | None:
        """The port that clients know from before."""
        from sqlalchemy import make_url

        return make_url(self.url.read_text().strip()).port if self.url.is_file() else None

    def write_url(self, host: str, port: int, *, tls: bool) -> str:
        """Tell clients where to connect, and the URL."""
        query = {"passfile": str(self.passwords)}
        if tls:
            # The certificate is its own authority: it proves the server by whatever name that is dialled.
            query |= {
                "sslmode": "verify-ca",
                "sslrootcert": str(self.certificate),
                "channel_binding": "require",
            }
        else:
            query |= {"sslmode": "disable"}
        made = URL.create("postgresql", ROLE, None, host, port, DATABASE, query)
        text = made.render_as_string(hide_password=False)
        write_private(self.url, text + "\n")
        return text


def write_private(path: Path, text: str) -> None:
    """The file holds `text`, whole or not at all, and only its owner reads it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def access_rules(*, tls: bool) -> str:
    """The text of pg_hba.conf: one role, from anywhere, by scram; with TLS, never without."""
    kind = "hostssl" if tls else "host"
    return f"# written by ambs db start\n{kind} all {ROLE} all scram-sha-256\n"


def settings(listen: str, port: int, folder: ServerFolder, *, tls: bool, durable: bool) -> str:
    """The text of ambs.conf, which postgresql.conf includes."""
    values = {
        "listen_addresses": f"'{listen}'",
        "port": str(port),
        "unix_socket_directories": "''",  # nobody needs one, and its path may be too long for the kernel
        "password_encryption": "'scram-sha-256'",
        "max_connections": "200",
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
        "jit": "off",  # costs more than it gives on statements as small as ours
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
    """Names and addresses for the certificate."""
    names = {socket.gethostname(), socket.getfqdn(), "localhost"}
    addresses = {"127.0.0.1", "::1"}
    with contextlib.suppress(OSError):  # a host that does not know its own name is dialled by address
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
