"""A search in this process and a launcher beside it, as `ambs run` and `Campaign.run` have them."""

from __future__ import annotations

import contextlib
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ambs_hpc.api.best_tracker import BestTracker
from ambs_hpc.api.interrupts import signals_to
from ambs_hpc.api.launcher_process import LauncherProcess
from ambs_hpc.beside.companion import ABANDON_SECONDS, LAST_SECONDS, Companion, begin_companion
from ambs_hpc.campaign import Progress, SearchLoop, SearchSettings
from ambs_hpc.clock import SystemClock
from ambs_hpc.errors import AmbsError, DatabaseError
from ambs_hpc.queue import NotifyChannel, close_waits, patient, wait_for_change

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.api.progress_display import Display
    from ambs_hpc.records import Campaign

POLL_SECONDS = 0.2
LAUNCHER_END_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class PairEnd:
    """How a search and its launcher ended.

    Args:
        is_done: what was asked was done; False when it was stopped before.
        progress: of the last step.
        signal: the signal that stopped it; 0 for none.
    """

    is_done: bool
    progress: Progress
    signal: int

    @property
    def dead_end(self) -> str:
        """Why the search found nothing more to propose, if that is how it ended; "" otherwise."""
        return self.progress.dead_end if self.progress.is_complete else ""


class SearchAndLauncher:
    """The search and its launcher, until both have ended."""

    def __init__(
        self,
        engine: Engine,
        campaign: Campaign,
        settings: SearchSettings,
        *,
        hopeless_after: int | None = None,
    ) -> None:
        """
        Args:
            hopeless_after: number of first evaluations that fail alike after which it stops; None for never.
        """
        self._engine, self._campaign, self._settings = patient(engine), campaign, settings
        self._search = SearchLoop(self._engine, campaign, None, SystemClock(), hopeless_after=hopeless_after)
        self._launcher: LauncherProcess | None = None
        self._companion: Companion | None = None
        minutes = settings.max_minutes
        self._deadline = None if minutes is None else time.monotonic() + 60 * minutes
        self._interrupts = self._signal = 0
        self._progress = Progress({}, 0, None)
        self._best = BestTracker(self._engine, campaign)

    def run(self, database: str, display: Display) -> PairEnd:
        """Search and launch until the budget is spent, the time is up, or somebody stops it.

        Signals do so in the main thread only. No launcher is left afterwards, however it ends.

        Args:
            database: URL for the launcher, with the password if there is one.
            display: shows the progress; it is closed afterwards.

        Raises:
            CampaignConflict: another live search owns the campaign.
            AmbsError: the launcher ended with an error; the message has the end of its log.
        """
        with signals_to(self.interrupt):
            try:
                self._search.open()
                self._companion = begin_companion(self._engine, Path.cwd(), lambda: [self._campaign.id])
                log_file = Path(self._campaign.definition.run_directory) / "launcher.log"
                self._launcher = LauncherProcess(self._launcher_arguments(), database, log_file)
                is_done = self._stepped_to_the_end(display, self._launcher)
            finally:
                display.close()
                self._end()
        return PairEnd(is_done, self._progress, self._signal)

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """At the first Ctrl-C let running evaluations end; at another, or at TERM, return them.

        Any thread may call it.
        """
        self._interrupts += 1
        self._signal = number
        self._search.stop_proposing()
        if self._launcher is not None:
            self._pass_on(self._launcher)

    def _pass_on(self, launcher: LauncherProcess) -> None:
        if self._signal == signal.SIGINT and self._interrupts == 1:
            launcher.drain()
        else:
            launcher.stop()

    def _stepped_to_the_end(self, display: Display, launcher: LauncherProcess) -> bool:
        """Step the search until it is complete or stopped; True when what was asked was done."""
        if self._interrupts:  # before there was a launcher
            self._pass_on(launcher)
        while True:
            self._progress = progress = self._search.step()
            display.update(progress, self._best.value(progress), self._note())
            if progress.hopeless and not progress.is_complete:
                launcher.stop()  # what runs returns to the queue
                return False
            if progress.is_complete or self._time_is_up(launcher):
                return True
            if self._interrupts and launcher.exit_status is not None:
                return False
            self._watch(launcher)
            wait_for_change(self._engine, POLL_SECONDS, NotifyChannel.FINISHED)

    def _end(self) -> None:
        """End the launcher, with TERM if it does not drain in time, and release the campaign."""
        if self._launcher is not None:
            self._launcher.drain()
            if not self._launcher.wait(LAUNCHER_END_SECONDS):
                self._launcher.stop()
                self._launcher.wait(LAUNCHER_END_SECONDS)
            self._launcher.let_go()
        with contextlib.suppress(DatabaseError):  # the next search sees that this process is gone
            self._search.close()
        if self._companion is not None:
            seconds = ABANDON_SECONDS if self._interrupts else LAST_SECONDS
            self._companion.close(seconds, [self._campaign.id] * self._progress.exhausted)
        close_waits(self._engine)

    def _note(self) -> str:
        if not self._interrupts:
            return ""
        return (
            "stopping"
            if self._interrupts > 1 or self._signal != signal.SIGINT
            else "letting running evaluations end, Ctrl-C again returns them to the queue"
        )

    def _time_is_up(self, launcher: LauncherProcess) -> bool:
        """Whether the time limit has passed and the launcher, which has the same limit, has ended."""
        return (
            self._deadline is not None
            and time.monotonic() >= self._deadline
            and launcher.exit_status is not None
        )

    def _watch(self, launcher: LauncherProcess) -> None:
        if self._interrupts or launcher.revive():
            return
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return
        if launcher.exit_status == 0:
            return  # it noticed the end before we did; the next step notices it too
        raise AmbsError(f"The launcher ended with status {launcher.exit_status}:\n{launcher.last_lines()}")

    def _launcher_arguments(self) -> list[str]:
        arguments = ["--campaign", self._campaign.name]
        if self._settings.slots is not None:
            arguments += ["--slots", str(self._settings.slots)]
        if self._settings.max_minutes is not None:
            arguments += ["--max-minutes", str(self._settings.max_minutes)]
        return arguments
