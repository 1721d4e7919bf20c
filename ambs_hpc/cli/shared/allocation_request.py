"""The conversion of options and ambs.yml into a request, for `check`, `submit` and `autosubmit`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ambs_hpc.cli.shared.launcher_options import LauncherOptions
from ambs_hpc.cli.shared.terminal import echo, write
from ambs_hpc.timing import STALE_AFTER_SECONDS

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.records import Allocation
    from ambs_hpc.sites import AllocationRequest, Backlog, CheckReport, ScriptSettings, Site

IDLE_EXIT_SECONDS = 120
NO_OPTIONS = LauncherOptions()
Nodes = Annotated[int, typer.Option("--nodes", "-n", metavar="N", help="Number of nodes.")]
Walltime = Annotated[
    str,
    typer.Option(
        "--time",
        "-t",
        metavar="MINUTES",
        help="Walltime, such as 90, 90m or 1h30m; without it that of the queue, where it has one.",
    ),
]
Queue = Annotated[str, typer.Option("--queue", "-q", help="Queue; by default that of ambs.yml or the site.")]
Project = Annotated[
    str, typer.Option("--project", "-A", help="Project that pays; by default that of ambs.yml.")
]
Filesystems = Annotated[
    list[str] | None,
    typer.Option("--filesystems", help="File systems that are needed, as home:eagle; repeatable."),
]
Attributes = Annotated[
    list[str] | None,
    typer.Option("--attrs", help="Attributes for Cobalt, as mcdram=flat:numa=quad; repeatable."),
]
Chain = Annotated[int, typer.Option("--chain", metavar="K", help="Number of allocations, one after another.")]
SiteName = Annotated[str, typer.Option("--site", "-s", help="Site; by default that of ambs.yml.")]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options of an allocation, before ambs.yml completes them."""

    nodes: int
    time: str = ""
    queue: str = ""
    project: str = ""
    filesystems: Sequence[str] | None = None
    attributes: Sequence[str] | None = None
    chain: int = 1
    site: str = ""


def request_of(wanted: Wanted) -> tuple[Site, AllocationRequest]:
    """The site and the request, completed from ambs.yml of this folder.

    Raises:
        UsageError, NotFound, SiteInvalid: there is no such site, or the walltime is ambiguous or missing.
    """
    from ambs_hpc.errors import UsageError
    from ambs_hpc.sites import (
        AllocationRequest,
        load_site,
        minutes_of,
        read_folder,
        refuse_unless_found_again,
    )

    folder = Path.cwd()
    settings = read_folder(folder)
    name = wanted.site or settings.site
    if not name:
        raise UsageError("Which site? Give --site, or write ambs.yml with `ambs init`.")
    site = load_site(name, folder)
    refuse_unless_found_again(site, name, folder)
    queue = wanted.queue or settings.queue
    request = AllocationRequest(
        nodes=wanted.nodes,
        minutes=minutes_of(wanted.time) if wanted.time else _default_minutes(site, queue),
        folder=folder,
        queue=queue,
        project=wanted.project or settings.project,
        filesystems=_parts(wanted.filesystems),
        attributes=_parts(wanted.attributes),
        chain=wanted.chain,
    )
    return site, request


def _default_minutes(site: Site, queue: str) -> int:
    """The walltime of a request that names none.

    Raises:
        UsageError: the queue has no default that the site's profile knows.
    """
    from ambs_hpc.errors import UsageError

    name = queue or site.default_queue
    known = site.queues.get(name)
    if known is None or known.default_minutes is None:
        where = f"queue {name!r} of {site.name}" if name else site.name
        raise UsageError(
            f"walltime: {where} has no default in its profile. Give --time, such as 90 or 1h30m."
        )
    return known.default_minutes


def _parts(given: Sequence[str] | None) -> tuple[str, ...]:
    """The parts of an option that joins them by colons, however often it was given."""
    return tuple(part for text in given or () for part in text.split(":") if part)


def script_settings(
    campaign: str | None, db: str | None, options: LauncherOptions = NO_OPTIONS
) -> ScriptSettings:
    """The settings by which scripts start the launcher.

    Raises:
        UsageError: the database's URL has a password, which must not get into a script.
    """
    from sqlalchemy import make_url

    from ambs_hpc.cli.shared.options import chosen_database
    from ambs_hpc.errors import UsageError
    from ambs_hpc.sites import ScriptSettings, read_folder

    folder = Path.cwd()
    settings = read_folder(folder)
    arguments = [sys.executable, "-m", "ambs_hpc.cli.main", "launch", "--idle-exit", str(IDLE_EXIT_SECONDS)]
    arguments += options.arguments()
    if campaign:
        arguments += ["--campaign", campaign]
    if db or os.environ.get("AMBS_DB"):  # otherwise the launcher finds it in the folder, as we do
        url = make_url(chosen_database(db))
        if url.password:
            raise UsageError(
                "The database's URL has a password, and a script is no place for one. Leave it out of --db "
                "or $AMBS_DB and put it in ~/.pgpass, or use `ambs db start` in this folder."
            )
        arguments += ["--db", url.render_as_string()]
    template = folder / settings.template if settings.template else None
    log = os.environ.get("AMBS_LOG", "INFO")  # few lines: which executor and why, losses, why it ended
    environment = {"AMBS_LOG": log, **settings.environment}
    return ScriptSettings(arguments, settings.preamble, environment, template)


def backlog_of(engine: Engine, campaign: str | None) -> Backlog:
    """The work that a new allocation would find, after what dead launchers held was returned to the queue."""
    from ambs_hpc import queue
    from ambs_hpc.cli.shared.options import named_campaign
    from ambs_hpc.launcher.recovery import recover_and_sweep
    from ambs_hpc.records import Resources
    from ambs_hpc.sites import Backlog
    from ambs_hpc.states import State

    recover_and_sweep(engine, STALE_AFTER_SECONDS)
    with queue.reading(engine) as connection:
        only = named_campaign(connection, campaign)
        chosen = [only] if only else queue.list_campaigns(connection)
        ready = [queue.counts(connection, one.id).get(State.READY, 0) for one in chosen]
        alive = [queue.is_search_alive(connection, one.id, STALE_AFTER_SECONDS) for one in chosen]
    waiting = [one for one, number in zip(chosen, ready, strict=True) if number]
    limits = [one.definition.problem.get("time_limit_seconds") for one in waiting]
    known = [float(str(limit)) for limit in limits if limit is not None]
    shortest = min(known) if known and len(known) == len(limits) else None
    resources = [one.definition.problem.get("resources") for one in waiting]
    shapes = dict.fromkeys(Resources(**one) for one in resources if isinstance(one, dict))
    others = any(lives and not number for lives, number in zip(alive, ready, strict=True))
    return Backlog(sum(ready), any(alive), shortest, tuple(shapes), others)


def tell_left_out(engine: Engine, site: Site) -> None:
    """Say which nodes are left out, and by whom: the scheduler, or the launcher that gets them."""
    from ambs_hpc.schedulers import registered
    from ambs_hpc.sites import left_out_nodes

    nodes = left_out_nodes(engine, site)
    if not nodes:
        return
    if registered(site.scheduler).can_leave_out:
        how = "the request asks for others"
    else:
        how = f"{site.scheduler} cannot be asked for others, so that launchers leave those idle that they get"
    echo(f"note: left out, {', '.join(nodes)}: {how}; see `ambs nodes`", err=True)


def tell_containers(engine: Engine, site: Site, campaign: str | None) -> None:
    """Say how evaluations of campaigns would enter their containers on this site, or why they could not."""
    from ambs_hpc import queue
    from ambs_hpc.cli.shared.options import named_campaign
    from ambs_hpc.launcher.container_command import preview

    with queue.reading(engine) as connection:
        only = named_campaign(connection, campaign)
        chosen = [only] if only else queue.list_campaigns(connection)
    default = site.container.to_json()
    for one in chosen:
        own, definition = one.definition.objective.get("container"), one.definition
        if not isinstance(own, dict) and not site.container.image:
            continue
        asked = own if isinstance(own, dict) else {}
        entered, trouble = preview(asked, default, definition.directory, definition.run_directory)
        echo(f"note: {one.definition.name}: {trouble or f'its container is entered by: {entered}'}", err=True)


def write_report(site: Site, report: CheckReport, *, to_stderr: bool = False) -> None:
    """Print problems, warnings and the price of a request."""
    for problem in report.problems:
        write(f"problem: {problem}\n", err=to_stderr)
    for warning in report.warnings:
        write(f"note: {warning}\n", err=to_stderr)
    if report.charged_hours is not None:
        queue = site.queues[report.queue]
        unit = "node-hours" if queue.unit == "node" else "GPU-hours"
        write(f"{report.queue} charges up to {report.charged_hours:g} {unit}.\n", err=to_stderr)
    if report.cheapest and report.cheapest != report.queue:
        write(f"The cheapest queue that takes it: {report.cheapest}.\n", err=to_stderr)


def tell_submitted(submitted: Sequence[Allocation], where: str, *, as_json: bool) -> None:
    """Print our number and the scheduler's id of each allocation."""
    from ambs_hpc.cli.shared.output import print_json

    if as_json:
        print_json([{"id": one.id, "scheduler_id": one.scheduler_id} for one in submitted])
        return
    for one in submitted:
        echo(f"allocation {one.id}: {one.scheduler_id} {where}; see `ambs allocations`")
