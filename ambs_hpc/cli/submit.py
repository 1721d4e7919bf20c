"""`ambs submit`: an allocation for a launcher."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Annotated

import typer

from ambs_hpc.cli.launcher_options import ExecutorChoice, LauncherOptions, Notice, WithSearch
from ambs_hpc.cli.options import AsJson, CampaignName, Database
from ambs_hpc.cli.requesting import (
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
from ambs_hpc.cli.run import MaxEvaluations


def submit(
    nodes: Nodes,
    time: Walltime,
    queue: Queue = "",
    project: Project = "",
    filesystems: Filesystems = "",
    attrs: Attributes = "",
    chain: Chain = 1,
    site: SiteName = "",
    campaign: CampaignName = None,
    db: Database = None,
    notice: Notice = None,
    with_search: WithSearch = None,
    max_evaluations: MaxEvaluations = None,
    executor: ExecutorChoice = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the script, submit nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check, render, submit and remember allocations that each run a launcher."""
    from ambs_hpc.cli.launcher_options import refuse_notice_without_time, refuse_search_on_service_node
    from ambs_hpc.cli.options import open_engine
    from ambs_hpc.cli.output import print_json
    from ambs_hpc.cli.requesting import backlog_of, request_of, script_settings, user_name, write_report
    from ambs_hpc.errors import UsageError
    from ambs_hpc.sites import check_request, script_of, submit_allocation

    profile, request = request_of(Wanted(nodes, time, queue, project, filesystems, attrs, chain, site))
    options = LauncherOptions(notice, with_search, max_evaluations, executor)
    refuse_search_on_service_node(profile, with_search)
    refuse_notice_without_time(notice, 60 * request.minutes)
    settings = script_settings(campaign, db, options)
    if dry_run:
        write_report(profile, check_request(profile, request), to_stderr=True)
        sys.stdout.write(script_of(profile, request, settings, 0))
        return
    engine = open_engine(db, create=with_search is not None)
    backlog = backlog_of(engine, campaign)
    if with_search is not None:
        backlog = replace(backlog, searching=True)
    report = check_request(profile, request, backlog)
    write_report(profile, report, to_stderr=True)
    if report.problems:
        raise UsageError("Nothing was submitted: see the problems above.")
    submitted = [
        submit_allocation(engine, profile, request, settings, user_name()) for _ in range(request.chain)
    ]
    if as_json:
        print_json([{"id": one.id, "scheduler_id": one.scheduler_id} for one in submitted])
        return
    for one in submitted:
        typer.echo(f"allocation {one.id}: {one.scheduler_id} on {profile.name}; see `ambs allocations`")
