"""Live progress: a bar on a terminal, a line every ten seconds in a log."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Protocol

from ambs_hpc.cli.shared.output import cell, duration
from ambs_hpc.cli.shared.terminal import harmless, write
from ambs_hpc.states import State

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
    """A bar when stderr is a terminal, otherwise lines; no display when `quiet`."""
    if quiet:
        return NoProgress()
    return ProgressBar(name) if sys.stderr.isatty() else ProgressLines(name)


class NoProgress:
    """Shows nothing."""

    def update(self, progress: Progress, best: float | None, note: str) -> None:
        """Show nothing."""

    def close(self) -> None:
        """There is nothing to end."""


class ProgressLines:
    """One line every ten seconds, for logs."""

    def __init__(self, name: str) -> None:
        self._name, self._next, self._pace = name, 0.0, RemainingTime(time.monotonic())

    def update(self, progress: Progress, best: float | None, note: str) -> None:
        """Write a line if ten seconds have passed, or if there is a note."""
        if time.monotonic() < self._next and not note:
            return
        self._next = time.monotonic() + LOG_LINE_SECONDS
        left = self._pace.seconds(progress, time.monotonic())
        ending = f", about {duration(left)} left" if left is not None else ""
        write(f"{self._name}: {describe(progress, best)}{ending}{note and '; ' + note}\n", err=True)
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
            self._row, total=progress.budget, completed=_shown_ended(progress), text=harmless(text), left=told
        )

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.stop()


def _shown_ended(progress: Progress) -> int:
    return progress.ended if progress.budget is None else min(progress.ended, progress.budget)


def _described_done(progress: Progress) -> str:
    done, budget = progress.counts.get(State.DONE, 0), progress.budget
    if budget is None:
        return f"{done} done"
    return f"{done}/{budget} done" if done <= budget else f"{done} done, budget of {budget} spent"


def describe(progress: Progress, best: float | None) -> str:
    """The counts and the best objective in one line."""
    counts = progress.counts
    parts = [_described_done(progress), f"{counts.get(State.RUNNING, 0)} running"]
    parts += [
        f"{counts[state]} {state.value.lower()}"
        for state in (State.FAILED, State.CANCELLED)
        if counts.get(state)
    ]
    if best is not None:
        parts.append(f"best {best:.6g}")
    if progress.database_away:
        parts.append("database away, waiting for it")
    return ", ".join(parts)


class RemainingTime:
    """How long a campaign still takes at the rate of all that has ended while it was watched.

    What begins together ends together: the rate of the last seconds would be that of a wave, or none. What
    had ended before was no work of this time.
    """

    def __init__(self, now: float) -> None:
        """`now`: seconds on a monotonic clock, at which the first evaluations begin."""
        self._began, self._ended_before = now, -1

    def seconds(self, progress: Progress, now: float) -> float | None:
        """The time left, 0 where nothing is; None without a budget, or before anything has ended."""
        if self._ended_before < 0:
            self._ended_before = progress.ended
        ended = progress.ended - self._ended_before
        if progress.budget is None or ended < 1:
            return None
        return max(0.0, now - self._began) / ended * max(0, progress.budget - progress.ended)
