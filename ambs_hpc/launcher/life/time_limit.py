"""When a launcher has to have ended: by its own limit, and by its allocation, whose end people may move."""

from __future__ import annotations

from ambs_hpc.launcher.life.launcher_settings import LauncherSettings


class TimeLimit:
    """The sooner of a launcher's own limit and its allocation's end. Moments are monotonic."""

    def __init__(self, settings: LauncherSettings, begun_at: float) -> None:
        """`begun_at`: from which both count."""
        minutes, pool = settings.max_minutes, settings.node_pool
        self._settings, self._begun_at = settings, begun_at
        self._own_seconds = float("inf") if minutes is None else 60 * minutes
        left = None if pool is None else pool.seconds_left
        self._allocation_seconds = float("inf") if left is None else left
        self.moved_seconds = 0.0  # by which the allocation's end was put off

    @property
    def seconds(self) -> float:
        """What the launcher has in all before it ends what runs; infinity without a limit."""
        return min(self._own_seconds, self._allocation_seconds + self.moved_seconds) - self._last_seconds

    @property
    def deadline(self) -> float:
        """When it ends what runs: early enough that this may take its last seconds."""
        return self._begun_at + self.seconds

    def grace_seconds(self, now: float) -> float:
        """Between TERM and KILL at the limit; less than usual after an end that came nearer than that."""
        left = self.deadline + self._last_seconds - now
        return min(self._last_seconds, max(left, self._settings.grace_seconds))

    @property
    def _last_seconds(self) -> float:
        return self._settings.last_seconds
