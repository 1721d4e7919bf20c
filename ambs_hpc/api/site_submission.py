"""What `ambs submit` does, for a program: check, render, submit and record allocations of one campaign."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ambs_hpc.api.submission import (
    LauncherOptions,
    Wanted,
    backlog_of,
    refuse_search_on_service_node,
    request_of,
    script_settings,
)
from ambs_hpc.errors import UsageError
from ambs_hpc.identity import user_name
from ambs_hpc.sites import check_request, script_of, submit_chain

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.records import Allocation


@dataclass(frozen=True, slots=True)
class SubmissionReport:
    """What was submitted, or would be.

    Args:
        site, queue: where to.
        script: the script of the first allocation; of one that is submitted the file lies in the folder.
        notes: of the site's check, a sentence each.
        charged_hours: what it may cost at most, in the queue's unit; None where that is not known.
        allocations: those that the scheduler took; empty after a dry run.
    """

    site: str
    queue: str
    script: str
    notes: tuple[str, ...]
    charged_hours: float | None
    allocations: tuple[Allocation, ...] = ()


def submit_campaign(
    engine: Engine, database: str, campaign: str, wanted: Wanted, options: LauncherOptions, *, dry_run: bool
) -> SubmissionReport:
    """Submit what is wanted, unless it is a dry run.

    Raises:
        UsageError: the site would refuse it; the message lists why, and nothing was submitted.
        SubmissionRejected, SubmissionUnclear: the scheduler did not take an allocation, or perhaps did not;
            those that it took before are in the database.
    """
    site, request = request_of(wanted)
    refuse_search_on_service_node(site, options.with_search)
    settings = script_settings(campaign, database, options)
    backlog = backlog_of(engine, campaign)
    if options.with_search is not None:
        backlog = replace(backlog, searching=True, others_come=True)
    report = check_request(site, request, backlog, platform.machine())
    if report.problems:
        problems = "; ".join(report.problems)
        raise UsageError(f"{site.name} would refuse it, so nothing was submitted: {problems}.")
    submission = SubmissionReport(
        site.name,
        report.queue,
        script_of(site, request, settings, 0),
        tuple(report.warnings),
        report.charged_hours,
    )
    if dry_run:
        return submission
    taken = tuple(submit_chain(engine, site, request, settings, user_name()))
    return replace(submission, allocations=taken)
