"""`ambs db`: a private PostgreSQL without root, and migrations."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ambs_hpc.cli.checked_values import CheckedCommands
from ambs_hpc.cli.shared.options import AsJson, Database
from ambs_hpc.cli.shared.terminal import echo, write
from ambs_hpc.cli.whole_summaries import WholeSummaries

if TYPE_CHECKING:
    from ambs_hpc.postgres_server import ServerStatus

app = CheckedCommands(
    cls=WholeSummaries,
    help="A private PostgreSQL, and migrations.",
    rich_markup_mode=None,
    no_args_is_help=True,
)
Folder = Annotated[Path, typer.Option("--folder", metavar="DIR", help="Folder of its files.")]
Binaries = Annotated[
    Path | None,
    typer.Option("--pg-bindir", metavar="DIR", help="Folder of initdb and pg_ctl; by default searched."),
]
FOLDER = Path("ambs-db")


@app.command()
def start(
    folder: Folder = FOLDER,
    listen: Annotated[str, typer.Option("--listen", help="Addresses to listen on.")] = "*",
    host: Annotated[
        str | None, typer.Option("--host", help="Name that clients connect to; by default this host's.")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", help="Port; by default the previous one, or a free one.")
    ] = None,
    binaries: Binaries = None,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Start although another host ran it; that host must be down.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create and start a PostgreSQL of your own; other commands in this folder then find it."""
    from ambs_hpc.postgres_server import ServerOptions, start_server

    options = ServerOptions(folder, listen, host, port, binaries, take_over=take_over)
    _tell(start_server(options, os.environ), as_json=as_json)


@app.command()
def stop(folder: Folder = FOLDER, binaries: Binaries = None) -> None:
    """Shut it down cleanly; its data stay."""
    from ambs_hpc.postgres_server import stop_server

    echo("stopped" if stop_server(folder, binaries, os.environ) else "it was not running")


@app.command()
def status(folder: Folder = FOLDER, as_json: AsJson = False) -> None:
    """Show whether it runs, and where."""
    from ambs_hpc.postgres_server import server_status

    _tell(server_status(folder), as_json=as_json)


@app.command()
def url(
    folder: Folder = FOLDER,
    reader: Annotated[
        bool, typer.Option("--reader", help="As the role that may only read, for others and dashboards.")
    ] = False,
    runner: Annotated[
        bool, typer.Option("--runner", help="As the role of searches and launchers, which makes no tables.")
    ] = False,
    sqlalchemy: Annotated[
        bool, typer.Option("--sqlalchemy", help="For SQLAlchemy and pandas; without it for psql and libpq.")
    ] = False,
) -> None:
    """Print how to connect; the password is not in it."""
    from ambs_hpc.errors import UsageError
    from ambs_hpc.postgres_server import role_url, server_status, with_driver

    if reader and runner:
        raise UsageError("One role at a time: --reader or --runner.")
    plain = server_status(folder).url
    if reader or runner:
        plain = role_url(folder, "reader" if reader else "runner")
    echo(with_driver(plain) if sqlalchemy else plain)


@app.command()
def upgrade(db: Database = None) -> None:
    """Bring the tables of --db to this program's schema."""
    from ambs_hpc.cli.shared.options import chosen_database
    from ambs_hpc.queue import upgrade_database

    old, new = upgrade_database(chosen_database(db))
    echo(f"schema {new}: nothing to do" if old == new else f"schema {old or 'none'} upgraded to {new}")


def _tell(seen: ServerStatus, *, as_json: bool) -> None:
    from ambs_hpc.cli.shared.output import print_json

    if as_json:
        print_json({**asdict(seen), "sqlalchemy_url": seen.sqlalchemy_url})
        return
    echo(f"{'running' if seen.running else 'not running'}: {seen.url}")
    echo(f"for SQLAlchemy and pandas: {seen.sqlalchemy_url}")
    if not seen.running:
        echo("its data are there; to go on: ambs db start")
    for note in seen.notes:
        write(f"note: {note}\n", err=True)
