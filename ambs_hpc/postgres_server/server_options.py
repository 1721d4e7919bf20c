"""What a person may say about the start of a private server, checked before anything is made of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ambs_hpc.errors import UsageError

LARGEST_PORT = 65_535
_HOST = re.compile(r"[\w.:-]+")
_ADDRESSES = re.compile(r"\*|[\w.:-]+(\s*,\s*[\w.:-]+)*")


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How to start a private server.

    Args:
        folder: for the server's files; the connection file `url` in it is what other commands find.
        listen: addresses to listen on, in PostgreSQL's form; "*" is reachable from compute nodes.
        host: the name or address that clients connect to; None takes this host's name.
        port: None takes the previous one, or else a free one.
        binaries: folder with initdb, pg_ctl and postgres; None looks for them.
        durable: False for tests only: faster, and nothing survives a crash of the machine.
        take_over: the host that ran it before is known to be dead.
    """

    folder: Path
    listen: str = "*"
    host: str | None = None
    port: int | None = None
    binaries: Path | None = None
    durable: bool = True
    take_over: bool = False

    def __post_init__(self) -> None:
        # What PostgreSQL refuses would stay in its configuration, with which no later start succeeds.
        if self.port is not None and not 1 <= self.port <= LARGEST_PORT:
            raise UsageError(f"--port {self.port}: give a whole number from 1 to {LARGEST_PORT}.")
        if not _ADDRESSES.fullmatch(self.listen):
            raise UsageError(f"--listen {self.listen!r}: give addresses or names, with commas, or *.")
        if self.host is not None and not _HOST.fullmatch(self.host):
            raise UsageError(f"--host {self.host!r}: give one name or address, as clients know this host.")
