"""`ambs init`: writes the settings of a campaign folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ambs_hpc.cli.shared.terminal import echo


def init(
    site: Annotated[
        str | None,
        typer.Option("--site", "-s", help="Name of the site; by default the one that this machine is."),
    ] = None,
    project: Annotated[str, typer.Option("--project", "-A", help="Project that pays for allocations.")] = "",
    queue: Annotated[str, typer.Option("--queue", "-q", help="Queue for allocations.")] = "",
    database: Annotated[
        str, typer.Option("--db", metavar="URL", help="Database; by default a server in this folder.")
    ] = "",
    preamble: Annotated[
        list[str] | None,
        typer.Option("--preamble", metavar="LINE", help="Line of shell for scripts; repeatable."),
    ] = None,
    folder: Annotated[Path, typer.Option("--folder", metavar="DIR", help="The campaign folder.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace an ambs.yml that is there.")] = False,
) -> None:
    """Write ambs.yml, which the other commands read; asks for the site only on a machine it does not know."""
    from sqlalchemy import make_url

    from ambs_hpc.errors import UsageError
    from ambs_hpc.queue import database_url
    from ambs_hpc.sites import FolderSettings, load_site, write_folder

    if (folder / "ambs.yml").exists() and not force:
        raise UsageError(f"{folder / 'ambs.yml'} is there already. Edit it, or replace it with --force.")
    if database and make_url(database_url(database, {}, folder)).password:
        raise UsageError("--db: no password belongs in ambs.yml. Leave it out and put it in ~/.pgpass.")
    name = site or _site_of_this_machine() or _asked_site()
    profile = load_site(name, folder if folder.is_dir() else None)
    payer = project
    if profile.project_required and not project and site is None and sys.stdin.isatty():
        payer = typer.prompt("Project that pays")
    settings = FolderSettings(name, payer, queue, database, list(preamble or []))
    echo(f"Wrote {write_folder(folder, settings)}")
    if profile.retired:
        echo(f"{name} was retired on {profile.retired}.", err=True)
    if profile.project_required and not payer:
        echo(f"{name} needs a project: set `project` in ambs.yml, or give -A.", err=True)


def _site_of_this_machine() -> str | None:
    """The site that this machine is, after saying which and why; None when it is not recognised."""
    from ambs_hpc.sites import load_site, site_names
    from ambs_hpc.sites.recognition import chosen, recognised, signs_of_this_machine

    signs = signs_of_this_machine()
    candidates = recognised([load_site(name) for name in site_names()], signs)
    taken = chosen(candidates)
    if taken is not None:
        others = ", ".join(one.name for one in candidates if one.name != taken.name)
        more = f" It has further profiles, for --site: {others}." if others else ""
        echo(f"Took the site {taken.name}: {taken.why}.{more}")
        return taken.name
    if candidates:
        found = "; ".join(f"{one.name}, as {one.why}" for one in candidates)
        echo(f"This machine may be one of several sites: {found}.", err=True)
    else:
        echo(f"This machine ({signs.hosts[0]}) is none that a profile names.", err=True)
    return None


def _asked_site() -> str:
    from ambs_hpc.sites import site_names

    echo(
        "`ambs site list` says what each name means. For another cluster take slurm, pbs or lsf and describe "
        "yours in a file (`extends: slurm`); for a workstation, local.",
        err=True,
    )
    return str(typer.prompt(f"Site ({', '.join(site_names())})", default="local"))
