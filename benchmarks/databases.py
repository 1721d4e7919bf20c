"""A PostgreSQL of its own for a benchmark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ambs_hpc.postgres_server import ServerOptions, start_server, stop_server


@contextmanager
def private_postgresql(folder: Path) -> Iterator[str]:
    """A PostgreSQL of our own with the default durability, on loopback."""
    folder.chmod(0o755)  # its server may run as another user
    place = folder / "server"
    status = start_server(ServerOptions(place, listen="127.0.0.1", host="127.0.0.1"), os.environ)
    try:
        yield status.url
    finally:
        stop_server(place, None, os.environ)
