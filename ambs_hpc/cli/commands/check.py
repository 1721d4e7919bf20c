"""`ambs check`: what a request would cost and why it would be refused, before it is submitted."""

from __future__ import annotations

import platform
from dataclasses import asdict

import typer

from ambs_hpc.cli.shared.allocation_request import (
    Attributes,
    Chain,
    Filesystems,
    Nodes,
    Project,
    Queue,
    SiteName,
    Walltime,
    Wanted,
)
from ambs_hpc.cli.shared.exit_codes import EXIT_ERROR
from ambs_hpc.cli.shared.options import AsJson, CampaignName, Database
from ambs_hpc.cli.shared.terminal import echo


def check(
    nodes: Nodes,
    time: Walltime = "",
    queue: Queue = "",
    project: Project = "",
    filesystems: Filesystems = None,
    attrs: Attributes = None,
    chain: Chain = 1,
    site: SiteName = "",
    campaign: CampaignName = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Check a request for nodes against the site's rules and what waits; nothing is submitted."""
    from ambs_hpc.cli.shared.allocation_request import backlog_of, request_of, tell_containers, write_report
    from ambs_hpc.cli.shared.options import open_engine
    from ambs_hpc.cli.shared.output import print_json
    from ambs_hpc.errors import DatabaseError
    from ambs_hpc.sites import check_request

    profile, request = request_of(Wanted(nodes, time, queue, project, filesystems, attrs, chain, site))
    try:
        engine = open_engine(db)
        backlog = backlog_of(engine, campaign)
        tell_containers(engine, profile, campaign)
    except DatabaseError as error:
        echo(f"note: the evaluations were not looked at: {error}", err=True)
        backlog = None
    report = check_request(profile, request, backlog, platform.machine())
    if as_json:
        print_json(asdict(report))
    else:
        write_report(profile, report)
        if not report.problems:
            echo("It would be accepted, as far as this profile knows.")
    raise typer.Exit(EXIT_ERROR if report.problems else 0)
