"""`ambs autosubmit`: submits allocations as long as evaluations wait."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ambs_hpc.cli.shared.allocation_request import (
    Attributes,
    Filesystems,
    Project,
    Queue,
    SiteName,
    Walltime,
    Wanted,
)
from ambs_hpc.cli.shared.exit_codes import EXIT_ERROR
from ambs_hpc.cli.shared.launcher_options import ExecutorChoice, LauncherOptions, Notice
from ambs_hpc.cli.shared.options import CampaignName, Database
from ambs_hpc.cli.shared.terminal import echo

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.sites import AllocationRequest, Backlog, Decision, Policy, ScriptSettings, Site

LOCK, NOTHING = "autosubmit.lock", "nothing submitted: "
TELLING_SECONDS = 45.0  # at the end of a pass; a command of `notify` may take 30


def autosubmit(
    time: Walltime,
    max_queued: Annotated[
        int, typer.Option("--max-queued", min=1, metavar="K", help="Allocations that may wait at a time.")
    ] = 1,
    min_nodes: Annotated[
        int, typer.Option("--min-nodes", min=1, help="Nodes of an allocation, at least.")
    ] = 1,
    max_nodes: Annotated[
        int, typer.Option("--max-nodes", min=1, help="Nodes of an allocation, at most.")
    ] = 1,
    per_node: Annotated[int, typer.Option("--per-node", min=1, help="Evaluations a node runs at once.")] = 1,
    queue: Queue = "",
    project: Project = "",
    filesystems: Filesystems = None,
    attrs: Attributes = None,
    site: SiteName = "",
    campaign: CampaignName = None,
    watch: Annotated[bool, typer.Option("--watch", help="Repeat the pass every 45 s or less often.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Ignore earlier failures.")] = False,
    notice: Notice = None,
    executor: ExecutorChoice = "auto",
    db: Database = None,
) -> None:
    """Submit an allocation if evaluations wait for one, in one pass for cron; never for an empty queue."""
    from ambs_hpc.cli.shared.allocation_request import script_settings
    from ambs_hpc.cli.shared.launcher_options import refuse_notice_without_time
    from ambs_hpc.cli.shared.options import open_engine
    from ambs_hpc.errors import AmbsError, UsageError
    from ambs_hpc.identity import user_name
    from ambs_hpc.schedulers import Backoff
    from ambs_hpc.sites import Policy, minutes_of, refresh

    if min_nodes > max_nodes:
        raise UsageError(f"--min-nodes {min_nodes} is above --max-nodes {max_nodes}.")
    refuse_notice_without_time(notice, 60 * minutes_of(time))
    settings = script_settings(campaign, db, LauncherOptions(notice=notice, executor=executor))
    policy = Policy(max_queued, min_nodes, max_nodes, per_node)
    wanted = Wanted(min_nodes, time, queue, project, filesystems, attrs, 1, site)
    engine = open_engine(db)
    backoff = Backoff()
    with alone(Path.cwd()), _telling(engine, campaign) as gives_up:
        while True:
            try:
                refreshed = refresh(engine, user_name(), clock.time())
                backoff = refreshed.noted(backoff, clock.time())
                if refreshed.unheard:
                    raise AmbsError(f"{refreshed.unheard[0]}. Nothing was submitted.")
                words, gave_up = one_pass(engine, wanted, policy, campaign, settings, retry=retry)
            except AmbsError as error:
                if not watch:
                    raise
                words, gave_up = f"{error}", False
            echo(words)
            if gave_up:
                gives_up(words.removeprefix(NOTHING))
                raise typer.Exit(EXIT_ERROR)
            if not watch:
                return
            retry = False
            clock.sleep(backoff.wait_seconds)


def one_pass(
    engine: Engine,
    wanted: Wanted,
    policy: Policy,
    campaign: str | None,
    settings: ScriptSettings,
    *,
    retry: bool,
) -> tuple[str, bool]:
    """Submit at most one allocation; what was done, as a sentence, and whether a person must look.

    Raises:
        AmbsError: the request is wrong, or the scheduler refused it.
    """
    from ambs_hpc.cli.shared.allocation_request import backlog_of, request_of, tell_left_out
    from ambs_hpc.identity import user_name
    from ambs_hpc.sites import ready_that_fit, submit_allocation

    backlog = backlog_of(engine, campaign)
    profile, request = request_of(replace(wanted, nodes=policy.max_nodes))
    ready = ready_that_fit(profile, request, backlog)
    if backlog.ready and not ready:
        _refuse_problems(profile, request, backlog)
        where = f"on {request.nodes} nodes in {request.minutes} minutes"
        return f"{NOTHING}{backlog.ready} evaluations wait, and none can run {where}: see `ambs check`", False
    decision = _decision(engine, campaign, policy, ready, retry=retry)
    if not decision.nodes:
        return f"{NOTHING}{decision.reason}", decision.gave_up
    request = replace(request, nodes=decision.nodes)
    _refuse_problems(profile, request, backlog)
    tell_left_out(engine, profile)
    made = submit_allocation(engine, profile, request, settings, user_name())
    return f"allocation {made.id} of {decision.nodes} nodes submitted: {decision.reason}", False


def _refuse_problems(profile: Site, request: AllocationRequest, backlog: Backlog) -> None:
    from ambs_hpc.errors import UsageError
    from ambs_hpc.sites import check_request

    report = check_request(profile, request, backlog)
    if report.problems:
        raise UsageError(" ".join(report.problems))


def _decision(engine: Engine, campaign: str | None, policy: Policy, ready: int, *, retry: bool) -> Decision:
    """What follows from the allocations that the database remembers."""
    from ambs_hpc import queue
    from ambs_hpc.cli.shared.options import named_campaign
    from ambs_hpc.sites import IDLE_SHARE, decide

    with queue.reading(engine) as connection:
        only = named_campaign(connection, campaign)
        served = None if only is None else [only.id]
        fruitless = queue.fruitless_allocations(connection, served, IDLE_SHARE)
        known = queue.list_allocations(connection, limit=100)
    return decide(policy, ready, known, fruitless=fruitless, retry=retry)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, because two simultaneous passes from cron would each submit."""
    from ambs_hpc.errors import AmbsError
    from ambs_hpc.file_lock import file_lock

    place = folder / "ambs-allocations"
    place.mkdir(exist_ok=True)
    busy = AmbsError("Another `ambs autosubmit` is at work in this folder. Let it end.")
    with file_lock(place / LOCK, busy) as missing:
        if missing:
            words = f"note: no locks here ({missing}), so call `ambs autosubmit` from one place only"
            echo(words, err=True)
        yield


@contextmanager
def _telling(engine: Engine, campaign: str | None) -> Iterator[Callable[[str], None]]:
    """Send notices meanwhile, and once more at the end; what is yielded takes why we give up."""
    from ambs_hpc.beside.companion import ABANDON_SECONDS, begin_notices
    from ambs_hpc.queue import patient

    companion, reasons = begin_notices(patient(engine), Path.cwd(), campaign), [""]
    seconds = TELLING_SECONDS
    try:
        yield reasons.append
    except KeyboardInterrupt:
        seconds = ABANDON_SECONDS
        raise
    finally:
        if companion is not None:
            companion.close(seconds, gave_up=reasons[-1])
