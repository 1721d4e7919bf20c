"""Live progress in a notebook: one output of the cell, redrawn in place; no widgets are needed."""

from __future__ import annotations

import html
import importlib
import sys
import time
from typing import TYPE_CHECKING, Any

from ambs_hpc.api.progress_words import RemainingTime, describe, shown_ended
from ambs_hpc.shown_text import cell, duration, harmless

if TYPE_CHECKING:
    from ambs_hpc.campaign import Progress

REDRAW_SECONDS = 0.5


def is_in_notebook() -> bool:
    """Whether this is the kernel of a notebook, whose cells can show more than lines."""
    if "ipykernel" not in sys.modules:
        return False
    ipython: Any = importlib.import_module("IPython")  # untyped
    return type(ipython.get_ipython()).__name__ == "ZMQInteractiveShell"


class NotebookProgress:
    """A bar and a line below the cell; what an old front end shows, or a text, is the line alone."""

    def __init__(self, name: str) -> None:
        self._name, self._redrawn_at = name, float("-inf")
        self._pace = RemainingTime(time.monotonic())
        self._last: dict[str, str] = {}
        ipython: Any = importlib.import_module("IPython.display")
        self._shown = ipython.display(_output(name, 0, None, "starting"), raw=True, display_id=True)

    def update(self, progress: Progress, best: float | None, note: str) -> None:
        """Redraw it, at most twice a second."""
        left = self._pace.seconds(progress, time.monotonic())
        told = "" if left is None else f", about {duration(left)} left"
        line = describe(progress, best) + told + (f" | {note}" if note else "")
        self._last = _output(self._name, shown_ended(progress), progress.budget, line)
        if time.monotonic() - self._redrawn_at >= REDRAW_SECONDS:
            self._redrawn_at = time.monotonic()
            self._shown.update(self._last, raw=True)

    def close(self) -> None:
        """Leave the last state."""
        if self._last:
            self._shown.update(self._last, raw=True)


def _output(name: str, ended: int, budget: int | None, line: str) -> dict[str, str]:
    """The same as HTML and as text; names and numbers come from a database, so nothing of them is markup."""
    shown = harmless(f"{cell(name)}: {line}")
    bar = f'<progress max="{budget}" value="{min(ended, budget)}"></progress> ' if budget else ""
    return {"text/plain": shown, "text/html": f"<div>{bar}{html.escape(shown)}</div>"}
