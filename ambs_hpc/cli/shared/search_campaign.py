"""The work of `ambs search`: one search loop, until its end, its time limit or a signal."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from ambs_hpc.api.best_tracker import BestTracker
from ambs_hpc.api.progress_display import open_display
from ambs_hpc.beside.companion import ABANDON_SECONDS, LAST_SECONDS, begin_companion
from ambs_hpc.campaign import SearchLoop, SearchSettings
from ambs_hpc.cli.shared.hopeless_end import SearchWatch, tell_end
from ambs_hpc.cli.shared.stored_campaign import begin_campaign, tell_endless
from ambs_hpc.clock import SystemClock
from ambs_hpc.queue import NotifyChannel, patient, wait_for_change

POLL_SECONDS = 0.5


def search_campaign(
    problem_file: Path, settings: SearchSettings, db: str | None, watch: SearchWatch, *, as_json: bool
) -> int:
    """Search until the budget is spent or the time is up (0), or until a signal comes (EXIT_STOPPED).

    Raises:
        AmbsError: it could not begin; or nothing succeeded, of all or of the first that should tell.
    """
    engine, campaign = begin_campaign(problem_file, settings, db, tries=watch.tries, is_elsewhere=True)
    tell_endless(campaign, settings, "a signal")
    engine = patient(engine)
    search = SearchLoop(engine, campaign, settings.slots, SystemClock(), hopeless_after=watch.hopeless_after)
    search.open()
    companion = begin_companion(engine, Path.cwd(), lambda: [campaign.id])
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
        while not (progress.is_complete or progress.hopeless or signalled or time.monotonic() > deadline):
            display.update(progress, best.value(progress), "")
            wait_for_change(engine, POLL_SECONDS, NotifyChannel.FINISHED)
            progress = search.step()
    finally:
        display.close()
        search.close()
    seconds = ABANDON_SECONDS if signalled else LAST_SECONDS
    companion.close(seconds, [campaign.id] * progress.exhausted)
    is_over = progress.is_complete or (time.monotonic() > deadline and not signalled)
    return tell_end(engine, campaign, progress, watch, is_over=is_over, as_json=as_json)
