"""The options of an allocation and what is told of it, for `check`, `submit` and `autosubmit`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ambs_hpc.api.submission import Wanted as Wanted
from ambs_hpc.api.submission import backlog_of as backlog_of
from ambs_hpc.api.submission import request_of as request_of
from ambs_hpc.api.submission import script_settings as script_settings
from ambs_hpc.cli.shared.terminal import echo, write

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.records import Allocation
    from ambs_hpc.sites import CheckReport, Site

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


def tell_submitted(submitted: Sequence[Allocation], asked: int, where: str, *, as_json: bool) -> None:
    """Print our number and the scheduler's id of each allocation, also where not all could be submitted."""
    from ambs_hpc.cli.shared.output import print_json

    if not submitted:
        return
    if len(submitted) < asked:
        write(f"Of {asked} allocations only {len(submitted)} were submitted.\n", err=True)
    if as_json:
        print_json([{"id": one.id, "scheduler_id": one.scheduler_id} for one in submitted])
        return
    for one in submitted:
        echo(f"allocation {one.id}: {one.scheduler_id} {where}; see `ambs allocations`")
