"""The work of `ambs search`: one search loop, until its end, its time limit or a signal."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from ambs_hpc.api.best_tracker import BestTracker
from ambs_hpc.api.progress_display import open_display
from ambs_hpc.campaign import SearchLoop, SearchSettings, define_campaign, find_sources, keep_sources
from ambs_hpc.cli.shared.exit_codes import EXIT_STOPPED
from ambs_hpc.cli.shared.options import open_engine
from ambs_hpc.cli.shared.revised import told_campaign
from ambs_hpc.cli.shared.source_lines import tell_sources
from ambs_hpc.cli.shared.summary import summary_of, write_summary
from ambs_hpc.cli.shared.terminal import write
from ambs_hpc.clock import SystemClock
from ambs_hpc.errors import NoLegalConfiguration
from ambs_hpc.problem import load_problem
from ambs_hpc.queue import NotifyChannel, patient, wait_for_change

POLL_SECONDS = 0.5


def search_campaign(problem_file: Path, settings: SearchSettings, db: str | None, *, as_json: bool) -> int:
    """Search until the budget is spent or the time is up (0), or until a signal comes (EXIT_STOPPED)."""
    wanted = define_campaign(load_problem(problem_file), settings)
    engine = open_engine(db, create=True)
    sources = find_sources(engine, wanted, settings.sources)
    campaign = told_campaign(engine, wanted, settings)
    keep_sources(engine, campaign, sources)
    tell_sources(sources)
    engine = patient(engine)
    search = SearchLoop(engine, campaign, settings.slots, SystemClock())
    search.open()
    signalled: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _frame: signalled.append(received))
    deadline = float("inf")
    if settings.max_minutes is not None:
        deadline = time.monotonic() + 60 * settings.max_minutes
    display = open_display(campaign.name, quiet=as_json)
    best = BestTracker(engine, campaign)
    try:
        progress = search.step()
        while not (progress.is_complete or signalled or time.monotonic() > deadline):
            display.update(progress, best.value(progress), "")
            wait_for_change(engine, POLL_SECONDS, NotifyChannel.FINISHED)
            progress = search.step()
    finally:
        display.close()
        search.close()
    write_summary(summary_of(engine, campaign), as_json=as_json)
    if progress.is_complete and progress.dead_end:
        raise NoLegalConfiguration(progress.dead_end)
    timed_out = time.monotonic() > deadline
    if progress.is_complete or (timed_out and not signalled):
        return 0
    write("ambs: stopped before it was done; the same command goes on.\n", err=True)
    return EXIT_STOPPED
