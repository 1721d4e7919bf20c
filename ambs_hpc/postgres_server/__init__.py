"""A private PostgreSQL for people without root: initdb with scram-sha-256, TLS, a generated password."""

from ambs_hpc.postgres_server.server import (
    ServerStatus,
    reader_instead,
    role_url,
    server_status,
    start_server,
    stop_server,
    with_driver,
)
from ambs_hpc.postgres_server.server_options import ServerOptions

__all__ = [
    "ServerOptions",
    "ServerStatus",
    "reader_instead",
    "role_url",
    "server_status",
    "start_server",
    "stop_server",
    "with_driver",
]
