"""`ambs submit --via balsam`: an allocation that a Balsam site requests, with Balsam's launcher in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ambs_hpc.cli.shared.allocation_request import Wanted, tell_submitted
from ambs_hpc.cli.shared.terminal import echo, write

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.records import Allocation
    from ambs_hpc.sites import AllocationRequest, BalsamBatch

Via = Annotated[
    Literal["site", "balsam"],
    typer.Option("--via", help="site: qsub, sbatch or bsub. balsam: the agent of --balsam-site."),
]
# Balsam's launchers end so many minutes before the walltime, by its templates and in mpi mode.
LOST_MINUTES = 4


def submit_via_balsam(
    engine: Engine,
    wanted: Wanted,
    balsam_site: str,
    campaign: str | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Submit `wanted.chain` batch jobs, or print the first.

    Raises:
        UsageError: an option is missing or wrong.
        AmbsError: Balsam refused the batch job, or could not be asked.
    """
    from ambs_hpc.identity import user_name
    from ambs_hpc.sites import submit_batch

    batch, request = _asked(engine, wanted, balsam_site, campaign)
    if dry_run:
        write(batch.text(request))
        return
    if wanted.chain > 1:
        write("note: Balsam has no way to let batch jobs wait: they may run side by side.\n", err=True)
    submitted: list[Allocation] = []
    try:
        for left in range(wanted.chain, 0, -1):
            submitted.append(submit_batch(engine, batch, replace(request, chain=left), user_name()))
    finally:
        tell_submitted(submitted, wanted.chain, f"of Balsam site {balsam_site}", as_json=as_json)
    if not as_json:
        echo(f"Evaluations go there by: ambs launch --executor balsam --balsam-site {balsam_site}")


def _asked(
    engine: Engine, wanted: Wanted, balsam_site: str, campaign: str | None
) -> tuple[BalsamBatch, AllocationRequest]:
    from ambs_hpc.errors import UsageError
    from ambs_hpc.sites import AllocationRequest, BalsamBatch, minutes_of, read_folder, wrong_sizes

    settings = read_folder(Path.cwd())
    if not wanted.time:
        raise UsageError("For how long? --via balsam needs --time, in minutes or as 1h30m.")
    minutes = minutes_of(wanted.time)
    if not balsam_site:
        raise UsageError("Which Balsam site? Give --balsam-site NAME (`balsam site ls` lists yours).")
    if minutes <= LOST_MINUTES:
        raise UsageError(
            f"--time {wanted.time}: Balsam's launchers end up to {LOST_MINUTES} minutes before the walltime, "
            "so nothing would run. Ask for more."
        )
    queue, project = wanted.queue or settings.queue, wanted.project or settings.project
    for name, value in (("--queue", queue), ("--project", project)):
        if not value:
            raise UsageError(f"A Balsam site wants {name}, one of those in its settings.yml.")
    request = AllocationRequest(wanted.nodes, minutes, Path.cwd(), queue=queue, project=project)
    request = replace(request, chain=wanted.chain, max_node_hours=settings.max_node_hours)
    if wrong := " ".join(wrong_sizes(request)):
        raise UsageError(wrong)
    mode, tags = _mode_and_tags(engine, campaign)
    return BalsamBatch(balsam_site, mode, tags), request


def _mode_and_tags(engine: Engine, campaign: str | None) -> tuple[str, dict[str, str]]:
    """The job mode and the tags of evaluations: Balsam does not mix programs of one and of several ranks."""
    from ambs_hpc import queue
    from ambs_hpc.cli.shared.options import named_campaign
    from ambs_hpc.launcher.executors.balsam.link import CAMPAIGN, MARK
    from ambs_hpc.launcher.executors.registry import shapes_waiting

    with queue.reading(engine) as connection:
        only = named_campaign(connection, campaign)
        shapes = shapes_waiting(connection, None if only is None else [only.id])
    mode = "mpi" if any(shape.needs_launch_command for shape in shapes) else "serial"
    return mode, dict(MARK) if only is None else {**MARK, CAMPAIGN: only.name}
