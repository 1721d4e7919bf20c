"""Live progress: a bar on a terminal, a line every ten seconds in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from ambs_hpc.api.notebook_progress import NotebookProgress, is_in_notebook
from ambs_hpc.api.progress_words import RemainingTime, describe, shown_ended
from ambs_hpc.shown_text import cell, duration, harmless

if TYPE_CHECKING:
    from ambs_hpc.campaign import Progress

LOG_LINE_SECONDS = 10.0


class Display(Protocol):
    """Shows the progress of a campaign."""

    def update(self, progress: Progress, best: float | None, note: str) -> None:
        """Show this progress, the best objective and a note for the person; called at every step."""
        ...

    def close(self) -> None:
        """End the display."""
        ...


def open_display(name: str, *, quiet: bool) -> Display:
    """A bar in a notebook, or when stderr is a terminal, otherwise lines; no display when `quiet`."""
    if quiet:
        return NoProgress()
    if is_in_notebook():
        return NotebookProgress(name)
    return ProgressBar(name) if sys.stderr.isatty() else ProgressLines(name)


class NoProgress:
    """Shows nothing."""

    def update(self, progress: Progress, best: float | None, note: str) -> None:
        """Show nothing."""

    def close(self) -> None:
        """There is nothing to end."""


class ProgressLines:
    """One line every ten seconds, for logs."""

    def __init__(self, name: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._name, self._monotonic = name, monotonic
        self._next, self._pace, self._note = 0.0, RemainingTime(monotonic()), ""

    def update(self, progress: Progress, best: float | None, note: str) -> None:
        """Write a line if ten seconds have passed, or if there is another note."""
        now = self._monotonic()
        if now < self._next and note in ("", self._note):
            return
        self._next, self._note = now + LOG_LINE_SECONDS, note
        left = self._pace.seconds(progress, now)
        ending = f", about {duration(left)} left" if left is not None else ""
        line = f"{self._name}: {describe(progress, best)}{ending}{note and '; ' + note}\n"
        sys.stderr.write(harmless(line))
        sys.stderr.flush()

    def close(self) -> None:
        """There is nothing to end."""


class ProgressBar:
    """A bar that is redrawn in place."""

    def __init__(self, name: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn("{task.description}", style="bold", markup=False),  # a name may look like markup
            BarColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}", markup=False),
        )
        self._bar = Progress(*columns, console=Console(stderr=True), refresh_per_second=4)
        self._row = self._bar.add_task(harmless(cell(name)), total=None, text="starting", left="")
        self._pace = RemainingTime(time.monotonic())
        self._bar.start()

    def update(self, progress: Progress, best: float | None, note: str) -> None:
        """Redraw the bar."""
        text = describe(progress, best) + (f" | {note}" if note else "")
        left = self._pace.seconds(progress, time.monotonic())
        told = "" if left is None else f"about {duration(left)} left"
        self._bar.update(
            self._row, total=progress.budget, completed=shown_ended(progress), text=harmless(text), left=told
        )

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.stop()
