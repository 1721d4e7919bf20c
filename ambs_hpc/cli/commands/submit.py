"""`ambs submit`: submits allocations that run a launcher each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from ambs_hpc.cli.commands.run import MaxEvaluations
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
from ambs_hpc.cli.shared.balsam_submission import Via, submit_via_balsam
from ambs_hpc.cli.shared.launcher_options import (
    BalsamSiteName,
    ExecutorChoice,
    LauncherOptions,
    Notice,
    WithSearch,
)
from ambs_hpc.cli.shared.options import AsJson, CampaignName, Database
from ambs_hpc.cli.shared.terminal import write

if TYPE_CHECKING:
    from ambs_hpc.sites import AllocationRequest, Backlog, Site


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
    via: Via = "site",
    balsam_site: BalsamSiteName = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the script, submit nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check, render, submit and record allocations that run a launcher each."""
    from ambs_hpc.cli.shared.allocation_request import (
        backlog_of,
        request_of,
        script_settings,
        tell_submitted,
        write_report,
    )
    from ambs_hpc.cli.shared.launcher_options import (
        refuse_notice_without_time,
        refuse_search_on_service_node,
        refuse_what_does_not_go_together,
    )
    from ambs_hpc.cli.shared.options import open_engine
    from ambs_hpc.identity import user_name
    from ambs_hpc.sites import check_request, script_of, submit_allocation

    wanted = Wanted(nodes, time, queue, project, filesystems, attrs, chain, site)
    refuse_what_does_not_go_together(via, executor, balsam_site)
    if via == "balsam":
        submit_via_balsam(open_engine(db), wanted, balsam_site, campaign, dry_run=dry_run, as_json=as_json)
        return
    profile, request = request_of(wanted)
    options = LauncherOptions(notice, with_search, max_evaluations, executor)
    refuse_search_on_service_node(profile, with_search)
    refuse_notice_without_time(notice, 60 * request.minutes)
    settings = script_settings(campaign, db, options)
    searching = {} if with_search is None else {"searching": True}
    if dry_run:
        write_report(profile, check_request(profile, request), to_stderr=True)
        write(script_of(profile, request, settings, 0))
        return
    engine = open_engine(db, create=with_search is not None)
    _check(profile, request, replace(backlog_of(engine, campaign), **searching))
    submitted = [
        submit_allocation(engine, profile, request, settings, user_name()) for _ in range(request.chain)
    ]
    tell_submitted(submitted, f"on {profile.name}", as_json=as_json)


def _check(profile: Site, request: AllocationRequest, backlog: Backlog) -> None:
    """Print the site's check of the request.

    Raises:
        UsageError: the site would refuse it.
    """
    from ambs_hpc.cli.shared.allocation_request import write_report
    from ambs_hpc.errors import UsageError
    from ambs_hpc.sites import check_request

    report = check_request(profile, request, backlog)
    write_report(profile, report, to_stderr=True)
    if report.problems:
        raise UsageError("Nothing was submitted: see the problems above.")
