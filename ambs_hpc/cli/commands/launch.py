"""`ambs launch`: a launcher alone, on this machine or inside an allocation."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ambs_hpc.cli.commands.run import KeepGoing, MaxEvaluations
from ambs_hpc.cli.shared.exit_codes import EXIT_ERROR, EXIT_STOPPED
from ambs_hpc.cli.shared.launcher_options import BalsamSiteName, ExecutorChoice, Gpus, Notice, WithSearch
from ambs_hpc.cli.shared.options import AsJson, Database
from ambs_hpc.cli.shared.terminal import echo
from ambs_hpc.records.stored_ranges import MOST_SLOTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Engine

    from ambs_hpc.launcher.life.launcher_settings import LauncherEnd, LauncherSettings

Campaigns = Annotated[
    list[str] | None,
    typer.Option("--campaign", "-c", metavar="NAME", help="Serve only this campaign; repeatable."),
]
_EXIT_CODES = {"idle": 0, "drained": 0, "time limit": 0, "hopeless": EXIT_ERROR}


def launch(
    campaign: Campaigns = None,
    slots: Annotated[
        int | None,
        typer.Option(
            "--slots",
            min=1,
            max=MOST_SLOTS,
            metavar="K",
            help="Evaluations at once; by default as many as fit.",
        ),
    ] = None,
    gpus: Gpus = None,
    max_minutes: Annotated[
        float | None,
        typer.Option("--max-minutes", min=0.01, metavar="M", help="End after this time."),
    ] = None,
    grace: Annotated[
        float,
        typer.Option("--grace", min=0.0, metavar="SECONDS", help="Time between TERM and KILL."),
    ] = 10.0,
    notice: Notice = None,
    idle_exit: Annotated[
        float,
        typer.Option(
            "--idle-exit",
            min=0.0,
            metavar="SECONDS",
            help="End after so long without evaluations and without a live search.",
        ),
    ] = 10.0,
    wait: Annotated[
        float | None,
        typer.Option(
            "--wait",
            min=0.0,
            metavar="SECONDS",
            help="Wait so long for a database or campaign that is not there yet; by default 60, in an "
            "allocation until its end.",
        ),
    ] = None,
    with_search: WithSearch = None,
    max_evaluations: MaxEvaluations = None,
    keep_going: KeepGoing = False,
    executor: ExecutorChoice = "auto",
    balsam_site: BalsamSiteName = "",
    parent_pipe: Annotated[int | None, typer.Option("--parent-pipe", hidden=True)] = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Lease evaluations and run them, until told to end or until nothing is left.

    Ctrl-C lets running evaluations end; TERM, or Ctrl-C again, returns them to the queue.
    """
    from ambs_hpc.cli.shared.launcher_options import (
        gpu_names,
        refuse_half_a_balsam,
        refuse_notice_without_time,
        search_command,
        stated_at,
    )
    from ambs_hpc.cli.shared.options import open_engine
    from ambs_hpc.launcher.allocation import VARIABLE, current_node_pool
    from ambs_hpc.launcher.database_wait import once_it_answers, wait_seconds
    from ambs_hpc.launcher.life.launcher_settings import LauncherSettings
    from ambs_hpc.timing import hand_started_silence_seconds

    hand_started_silence_seconds()  # a wrong word in the environment is told now, not when somebody is silent
    refuse_half_a_balsam(executor, balsam_site)
    refuse_notice_without_time(notice, None if max_minutes is None else 60 * max_minutes)
    names = gpu_names(gpus)
    search = search_command(with_search, max_evaluations, db, keep_going=keep_going)
    wait = wait_seconds(wait, is_in_allocation=VARIABLE in os.environ)
    if max_minutes is not None:
        wait = min(wait, 60 * max_minutes)
    engine = once_it_answers(lambda: open_engine(db, create=with_search is not None), seconds=wait)
    node_pool = once_it_answers(lambda: current_node_pool(engine, os.environ, time.time()), seconds=wait)
    if max_evaluations is not None:
        search += ["--stated-at", repr(stated_at(engine, node_pool))]
    if node_pool is not None and node_pool.seconds_left is not None:
        wait = min(wait, node_pool.seconds_left)
    ending = (max_minutes, grace, notice, idle_exit)
    beside = (parent_pipe, search, node_pool)
    settings = LauncherSettings(
        tuple(campaign or ()), slots, names, *ending, *beside, executor, balsam_site, wait
    )
    end = _launched(engine, settings)
    _tell(end, as_json=as_json)
    raise typer.Exit(_EXIT_CODES.get(end.reason, EXIT_STOPPED))


def _launched(engine: Engine, settings: LauncherSettings) -> LauncherEnd:
    """Run a launcher, and beside it what notes its provenance and tells people."""
    from ambs_hpc.beside.companion import ABANDON_SECONDS, LAST_SECONDS, Companion, begin_companion
    from ambs_hpc.clock import SystemClock
    from ambs_hpc.launcher.exchange import STOPPED
    from ambs_hpc.launcher.lifecycle import run_launcher
    from ambs_hpc.queue import patient

    companions: list[Companion] = []

    def on_begun(launcher_id: int, met: Callable[[], Sequence[int]]) -> None:
        companions.append(begin_companion(patient(engine), Path.cwd(), met, launcher_id))

    end = run_launcher(engine, settings, SystemClock(), on_begun)
    for companion in companions:
        companion.close(ABANDON_SECONDS if end.reason.startswith(STOPPED) else LAST_SECONDS)
    return end


def _tell(end: LauncherEnd, *, as_json: bool) -> None:
    """Print what the launcher did.

    Raises:
        ObjectiveUnloadable: campaigns were refused; the message says why.
    """
    from ambs_hpc.cli.shared.output import print_json
    from ambs_hpc.errors import ObjectiveUnloadable

    tally = end.tally
    if as_json:
        print_json(
            {
                "done": tally.done,
                "failed": tally.failed,
                "interrupted": tally.interrupted,
                "paused": tally.paused,
                "refused": tally.refused,
                "reason": end.reason,
            }
        )
    else:
        paused = f", {tally.paused} paused" if tally.paused else ""
        ended = f"{tally.done} done, {tally.failed} failed, {tally.interrupted} interrupted{paused}"
        echo(f"{ended}; {end.reason}")
    if tally.refused:
        told = "\n".join(f"Campaign {name!r}: {why}" for name, why in tally.refused.items())
        raise ObjectiveUnloadable(f"Some evaluations cannot be run by this launcher.\n{told}")
