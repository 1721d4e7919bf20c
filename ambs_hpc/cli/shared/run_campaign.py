"""The work of `ambs run`: a search in this process, a launcher beside it, one display for both."""

from __future__ import annotations

import contextlib
import signal
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from ambs_hpc.campaign import Progress, SearchLoop, SearchSettings, define_campaign, open_campaign
from ambs_hpc.cli.shared.hopeless_end import SearchWatch, tell_end
from ambs_hpc.cli.shared.launcher_process import LauncherProcess
from ambs_hpc.cli.shared.objective_trial import try_objective
from ambs_hpc.cli.shared.options import chosen_database, open_engine
from ambs_hpc.cli.shared.progress_display import Display, open_display
from ambs_hpc.cli.shared.summary import BestTracker
from ambs_hpc.clock import SystemClock
from ambs_hpc.errors import AmbsError, DatabaseError
from ambs_hpc.problem import load_problem
from ambs_hpc.queue import NotifyChannel, patient, wait_for_change

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.records import Campaign

POLL_SECONDS = 0.2
LAUNCHER_END_SECONDS = 30.0


def run_campaign(
    problem_file: Path, settings: SearchSettings, db: str | None, watch: SearchWatch, *, as_json: bool
) -> int:
    """Search and launch until the budget is spent, the time is up, or a person stops it.

    Returns:
        0 when what was asked was done, EXIT_STOPPED when it was stopped before.

    Raises:
        AmbsError: nothing could be started, the launcher ended with an error, no legal configuration was
            found before the budget was spent, or nothing succeeded, of all or of the first that should tell.
    """
    loaded = load_problem(problem_file)
    wanted = define_campaign(loaded, settings)
    if watch.tries:
        try_objective(loaded, is_elsewhere=False)
    engine = open_engine(db, create=True)
    campaign = open_campaign(engine, wanted, settings)
    engine = patient(engine)
    search = SearchLoop(engine, campaign, None, SystemClock(), hopeless_after=watch.hopeless_after)
    search.open()
    url = chosen_database(db)
    log_file = Path(campaign.definition.run_directory) / "launcher.log"
    launcher = LauncherProcess(_launcher_arguments(campaign, settings), url, log_file)
    pair = _Pair(engine, campaign, search, launcher, settings)
    display = open_display(campaign.name, quiet=as_json)
    try:
        done = pair.run(display)
    finally:
        display.close()
        pair.end()
    return tell_end(engine, campaign, pair.progress, watch, is_over=done, as_json=as_json)


def _launcher_arguments(campaign: Campaign, settings: SearchSettings) -> list[str]:
    arguments = ["--campaign", campaign.name]
    if settings.slots is not None:
        arguments += ["--slots", str(settings.slots)]
    if settings.max_minutes is not None:
        arguments += ["--max-minutes", str(settings.max_minutes)]
    return arguments


class _Pair:
    """The search and its launcher, until both have ended."""

    def __init__(
        self,
        engine: Engine,
        campaign: Campaign,
        search: SearchLoop,
        launcher: LauncherProcess,
        settings: SearchSettings,
    ) -> None:
        self._engine, self._campaign, self._search, self._launcher = engine, campaign, search, launcher
        minutes = settings.max_minutes
        self._deadline = None if minutes is None else time.monotonic() + 60 * minutes
        self._interrupts = 0
        self.progress = Progress({}, 0, None)  # of the last step
        self._best = BestTracker(engine, campaign)

    def run(self, display: Display) -> bool:
        """Step the search until it is complete or stopped; True when what was asked was done."""
        before = [signal.signal(number, self._interrupted) for number in (signal.SIGINT, signal.SIGTERM)]
        try:
            while True:
                self.progress = progress = self._search.step()
                display.update(progress, self._best.value(progress), self._note())
                if progress.hopeless and not progress.is_complete:
                    self._launcher.stop()  # what runs returns to the queue
                    return False
                if progress.is_complete or self._time_is_up():
                    return True
                if self._interrupts and self._launcher.exit_status is not None:
                    return False
                self._watch_launcher()
                wait_for_change(self._engine, POLL_SECONDS, NotifyChannel.FINISHED)
        finally:
            signal.signal(signal.SIGINT, before[0])
            signal.signal(signal.SIGTERM, before[1])

    def end(self) -> None:
        """End the launcher, with TERM if it does not drain in time, and release the campaign."""
        self._launcher.drain()
        if not self._launcher.wait(LAUNCHER_END_SECONDS):
            self._launcher.stop()
            self._launcher.wait(LAUNCHER_END_SECONDS)
        with contextlib.suppress(DatabaseError):  # the next search sees that this process is gone
            self._search.close()

    def _interrupted(self, number: int, _frame: FrameType | None) -> None:
        """At the first Ctrl-C let running evaluations end; at another, or at TERM, return them."""
        self._interrupts += 1
        self._search.stop_proposing()
        if number == signal.SIGINT and self._interrupts == 1:
            self._launcher.drain()
        else:
            self._launcher.stop()

    def _note(self) -> str:
        if not self._interrupts:
            return ""
        return (
            "stopping"
            if self._interrupts > 1
            else "letting running evaluations end, Ctrl-C again returns them to the queue"
        )

    def _time_is_up(self) -> bool:
        """Whether the time limit has passed and the launcher, which has the same limit, has ended."""
        return (
            self._deadline is not None
            and time.monotonic() >= self._deadline
            and self._launcher.exit_status is not None
        )

    def _watch_launcher(self) -> None:
        if self._interrupts or self._launcher.revive():
            return
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return
        if self._launcher.exit_status == 0:
            return  # it noticed the end before we did; the next step notices it too
        raise AmbsError(
            f"The launcher ended with status {self._launcher.exit_status}:\n{self._launcher.last_lines()}"
        )
