"""Whether a launcher has nothing to do, and nobody will give it anything."""

from __future__ import annotations

from ambs_hpc.clock import Clock
from ambs_hpc.errors import DatabaseLocked, DatabaseUnreachable
from ambs_hpc.launcher.loop import LauncherLoop


class Idleness:
    """How long a loop has had nothing to do."""

    def __init__(self, loop: LauncherLoop, clock: Clock, patience_seconds: float) -> None:
        """`patience_seconds`: with nothing to do and no live search, before that lasts too long."""
        self._loop, self._clock, self._patience_seconds = loop, clock, patience_seconds
        self._since: float | None = None

    def lasts_too_long(self, *, is_searching: bool, is_search_complete: bool) -> bool:
        """Nothing to do, and nobody who might think of something that we could do, for long enough.

        Args:
            is_searching: whether the search beside this launcher lives.
            is_search_complete: whether it said before it ended that nothing more comes.
        """
        loop = self._loop
        if not loop.is_idle or loop.is_paused or loop.awaits_import:
            self._since = None
            return False
        if loop.is_asking or not loop.has_asked:
            return False
        now = self._clock.monotonic()
        if self._since is None:
            self._since = now
        if loop.has_refused_all or loop.is_out_of_time:
            return True
        if is_searching or (not is_search_complete and now - self._since < self._patience_seconds):
            return False
        if self._others_search():
            self._since = now
            return False
        return True

    def _others_search(self) -> bool:
        try:
            return self._loop.database.has_search()
        except (DatabaseUnreachable, DatabaseLocked):
            return True  # could not ask
