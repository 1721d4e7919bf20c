"""What is asked of a site: the request, completed from ambs.yml, the script's settings, the waiting work."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ambs_hpc.errors import UsageError
from ambs_hpc.launcher.executors.names import ExecutorName
from ambs_hpc.records.stored_ranges import LARGEST_COUNT
from ambs_hpc.timing import STALE_AFTER_SECONDS

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.records import Campaign
    from ambs_hpc.sites import AllocationRequest, Backlog, ScriptSettings, Site, WaitingPart

IDLE_EXIT_SECONDS = 120


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


@dataclass(frozen=True, slots=True)
class LauncherOptions:
    """The options of an allocation's launcher, apart from campaign and database.

    Raises:
        UsageError: there is a budget without a search, or it is none.
    """

    notice: float | None = None
    with_search: Path | None = None
    max_evaluations: int | None = None
    executor: ExecutorName = "auto"
    keep_going: bool = False

    def __post_init__(self) -> None:
        # Else the allocation is told, when it has been waited for and paid.
        if self.max_evaluations is None:
            return
        if self.with_search is None:
            raise UsageError("--max-evaluations belongs to a search: give --with-search PROBLEM too.")
        if not 1 <= self.max_evaluations <= LARGEST_COUNT:
            raise UsageError(
                f"--max-evaluations {self.max_evaluations}: give a whole number from 1 to {LARGEST_COUNT}."
            )

    def arguments(self) -> list[str]:
        """The options as arguments of `ambs launch`."""
        given = {
            "--notice": self.notice,
            "--with-search": self.with_search and self.with_search.absolute(),
            "--max-evaluations": self.max_evaluations,
            "--executor": None if self.executor == "auto" else self.executor,
        }
        words = [word for name, value in given.items() if value is not None for word in (name, str(value))]
        return words + ["--keep-going"] * self.keep_going


NO_OPTIONS = LauncherOptions()


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
        with_mail,
    )

    folder = Path.cwd()
    settings = read_folder(folder)
    name = wanted.site or settings.site
    if not name:
        raise UsageError("Which site? Give --site, or write ambs.yml with `ambs init`.")
    site = load_site(name, folder)
    refuse_unless_found_again(site, name, folder)
    site = with_mail(site, settings.notify.mail)
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
        max_node_hours=settings.max_node_hours,
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

    from ambs_hpc.api.choices import chosen_database
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
    from ambs_hpc.api.choices import named_campaign
    from ambs_hpc.launcher.recovery import recover_and_sweep
    from ambs_hpc.sites import Backlog
    from ambs_hpc.states import State

    recover_and_sweep(engine, STALE_AFTER_SECONDS)
    with queue.reading(engine) as connection:
        only = named_campaign(connection, campaign)
        chosen = [only] if only else queue.list_campaigns(connection)
        ready = [queue.counts(connection, one.id).get(State.READY, 0) for one in chosen]
        alive = [queue.is_search_alive(connection, one.id, STALE_AFTER_SECONDS) for one in chosen]
    parts = tuple(_waiting(one, number) for one, number in zip(chosen, ready, strict=True) if number)
    others = any(lives and not number for lives, number in zip(alive, ready, strict=True))
    return Backlog(parts, any(alive), others)


def _waiting(campaign: Campaign, number: int) -> WaitingPart:
    from ambs_hpc.records import Resources
    from ambs_hpc.sites import WaitingPart

    problem = campaign.definition.problem
    shape, limit = problem.get("resources"), problem.get("time_limit_seconds")
    return WaitingPart(
        number,
        Resources(**shape) if isinstance(shape, dict) else None,
        None if limit is None else float(str(limit)),
    )


def refuse_search_on_service_node(site: Site, problem: Path | None) -> None:
    """Check that no search is asked for on a shared service node.

    Raises:
        UsageError: the site runs scripts on a node that all its users share.
    """
    from ambs_hpc.errors import UsageError

    if problem is not None and site.script_host == "mom":
        raise UsageError(
            f"{site.name} runs scripts on a service node that all its users share, so no search runs there. "
            f"Leave --with-search out, and start on a login node: ambs search {problem}"
        )


def refuse_notice_without_time(notice: float | None, seconds: float | None) -> None:
    """Check that the notice leaves time for evaluations.

    Args:
        notice: seconds from TERM to the end.
        seconds: total time of the launcher; None without a limit.

    Raises:
        UsageError: the notice is not shorter than the whole time.
    """
    from ambs_hpc.errors import UsageError

    if notice is not None and seconds is not None and notice >= seconds:
        raise UsageError(
            f"--notice {notice:g} leaves nothing of the {seconds:g} seconds that there are, so no evaluation "
            "would start. Ask for more time, or give less notice."
        )
