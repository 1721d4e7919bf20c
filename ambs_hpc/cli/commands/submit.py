"""`ambs submit`: submits allocations that run a launcher each."""

from __future__ import annotations

import platform
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ambs_hpc.cli.commands.run import KeepGoing, MaxEvaluations
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
from ambs_hpc.cli.shared.exit_codes import EXIT_ERROR
from ambs_hpc.cli.shared.launcher_options import (
    BalsamSiteName,
    ExecutorChoice,
    LauncherOptions,
    Notice,
    WithSearch,
)
from ambs_hpc.cli.shared.options import AsJson, CampaignName, Database
from ambs_hpc.cli.shared.terminal import write
from ambs_hpc.cli.shared.tried_objective import NoCheck

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.records import Allocation
    from ambs_hpc.sites import AllocationRequest, Backlog, CheckReport, ScriptSettings, Site


def submit(
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
    notice: Notice = None,
    with_search: WithSearch = None,
    max_evaluations: MaxEvaluations = None,
    keep_going: KeepGoing = False,
    executor: ExecutorChoice = "auto",
    via: Via = "site",
    balsam_site: BalsamSiteName = "",
    no_check: NoCheck = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print the script, submit nothing; status 1 where it would be refused."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check, render, submit and record allocations that run a launcher each."""
    from ambs_hpc.cli.shared.allocation_request import (
        backlog_of,
        request_of,
        script_settings,
        tell_left_out,
    )
    from ambs_hpc.cli.shared.launcher_options import (
        refuse_notice_without_time,
        refuse_search_on_service_node,
        refuse_what_does_not_go_together,
    )
    from ambs_hpc.cli.shared.options import open_engine

    wanted = Wanted(nodes, time, queue, project, filesystems, attrs, chain, site)
    refuse_what_does_not_go_together(via, executor, balsam_site)
    if via == "balsam":
        submit_via_balsam(open_engine(db), wanted, balsam_site, campaign, dry_run=dry_run, as_json=as_json)
        return
    profile, request = request_of(wanted)
    options = LauncherOptions(notice, with_search, max_evaluations, executor, keep_going)
    refuse_search_on_service_node(profile, with_search)
    refuse_notice_without_time(notice, 60 * request.minutes)
    settings = script_settings(campaign, db, options)
    if not no_check:
        _try_objectives(with_search, campaign, db)
    if dry_run:
        _tell_dry_run(profile, request, settings, as_json=as_json)
        return
    engine = open_engine(db, create=with_search is not None)
    backlog = backlog_of(engine, campaign)
    if with_search is not None:
        backlog = replace(backlog, searching=True, others_come=True)
    _check(profile, request, backlog)
    tell_left_out(engine, profile)
    _submit_chain(engine, profile, request, settings, as_json=as_json)


def _tell_dry_run(
    profile: Site, request: AllocationRequest, settings: ScriptSettings, *, as_json: bool
) -> None:
    """Print what would be submitted.

    Raises:
        typer.Exit: the site would refuse it, with the status that `ambs check` and a real submission have.
    """
    from ambs_hpc.cli.shared.output import print_json
    from ambs_hpc.sites import script_of

    report = _report(profile, request)
    script = script_of(profile, request, settings, 0)
    if as_json:
        print_json({**asdict(report), "script": script})
    else:
        write(script)
    if report.problems:
        raise typer.Exit(EXIT_ERROR)


def _try_objectives(with_search: Path | None, campaign: str | None, db: str | None) -> None:
    """Try the objectives that the allocation would run: of the search's problem, and of what waits.

    Raises:
        ProblemError: one is missing or does not fit.
    """
    from contextlib import suppress

    from ambs_hpc.cli.shared.options import open_engine
    from ambs_hpc.cli.shared.tried_objective import try_objective, try_waiting
    from ambs_hpc.errors import DatabaseError, NotFound
    from ambs_hpc.problem import load_problem

    if with_search is not None:
        try_objective(load_problem(with_search), is_elsewhere=True)
        return
    with suppress(DatabaseError, NotFound):  # a dry run needs none; otherwise it is told by what follows
        try_waiting(open_engine(db), campaign)


def _submit_chain(
    engine: Engine, profile: Site, request: AllocationRequest, settings: ScriptSettings, *, as_json: bool
) -> None:
    """Submit all allocations of the request, and print those that were taken even if a later one fails."""
    from ambs_hpc.cli.shared.allocation_request import tell_submitted
    from ambs_hpc.identity import user_name
    from ambs_hpc.sites import submit_chain

    submitted: list[Allocation] = []
    try:
        submitted.extend(submit_chain(engine, profile, request, settings, user_name()))
    finally:
        tell_submitted(submitted, request.chain, f"on {profile.name}", as_json=as_json)


def _check(profile: Site, request: AllocationRequest, backlog: Backlog) -> None:
    """Print the site's check of the request.

    Raises:
        UsageError: the site would refuse it.
    """
    from ambs_hpc.errors import UsageError

    if _report(profile, request, backlog).problems:
        raise UsageError("Nothing was submitted: see the problems above.")


def _report(profile: Site, request: AllocationRequest, backlog: Backlog | None = None) -> CheckReport:
    from ambs_hpc.cli.shared.allocation_request import write_report
    from ambs_hpc.sites import check_request

    report = check_request(profile, request, backlog, platform.machine())
    write_report(profile, report, to_stderr=True)
    return report
