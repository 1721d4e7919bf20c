"""When a launcher speaks to the database next; pure, all times in seconds on its monotonic clock."""

from __future__ import annotations

from ambs_hpc import timing
from ambs_hpc.launcher.lease.lease_demand import GATHER_SECONDS

# An empty queue is asked again soon at first: the search usually answers an ending at once.
FIRST_ASK_SECONDS, LAST_ASK_SECONDS = 0.02, 0.5
# So often the first in the queue is leased though it does not fit, so that small ones do not starve it.
HEAD_SECONDS = 1.0

AT_ONCE = float("-inf")


class ExchangePace:
    """Keeps slots from waiting for the database, and the database from being asked for nothing."""

    def __init__(self) -> None:
        self._exchange_at = AT_ONCE  # unless slots would wait
        self._ask_at = AT_ONCE  # for evaluations
        self._pause_seconds = FIRST_ASK_SECONDS  # after the next answer that there are none
        self._head_at = AT_ONCE  # when the first in the queue is leased, whatever its shape
        self._heartbeat_at = AT_ONCE
        self._sweep_at = AT_ONCE
        self._away_until = AT_ONCE  # the database

    def is_held_back(self, now: float, *, is_stocked: bool) -> bool:
        """Whether nothing is said now: the database is away, or endings are gathered while slots go on."""
        return now < self._away_until or (is_stocked and now < self._exchange_at)

    def may_ask(self, now: float) -> bool:
        """Whether the queue is asked for evaluations: it had some, or has had time to get some."""
        return now >= self._ask_at

    def is_heartbeat_due(self, now: float, seconds_earlier: float) -> bool:
        """Whether to say that the launcher lives, so many seconds earlier than usual."""
        return now >= self._heartbeat_at - seconds_earlier

    def take_sweep(self, now: float) -> bool:
        """Whether to look for what dead launchers hold; true once in a period."""
        if now < self._sweep_at:
            return False
        self._sweep_at = now + timing.SWEEP_SECONDS
        return True

    def take_head(self, now: float) -> bool:
        """Whether to lease the first in the queue whatever its shape; true once in HEAD_SECONDS."""
        if now < self._head_at:
            return False
        self._head_at = now + HEAD_SECONDS
        return True

    def note_exchange(self, now: float, *, gathers: bool) -> None:
        """An exchange has ended; `gathers`: what ends next is told together with what follows it."""
        self._exchange_at = now + (GATHER_SECONDS if gathers else 0.0)

    def note_asked(self, asked_at: float, wanted: int, leased: int) -> None:
        """The queue was asked: one that had nothing is asked less and less often."""
        if wanted <= 0:
            return
        self._pause_seconds = FIRST_ASK_SECONDS if leased else min(2 * self._pause_seconds, LAST_ASK_SECONDS)
        self._ask_at = asked_at if leased == wanted else asked_at + self._pause_seconds

    def note_heartbeat(self, said_at: float) -> None:
        """The database knows that the launcher lives."""
        self._heartbeat_at = said_at + timing.LAUNCHER_HEARTBEAT_SECONDS

    def hasten_heartbeat(self, now: float) -> None:
        """There is something that others wait to hear."""
        self._heartbeat_at = min(self._heartbeat_at, now)

    def note_away(self, now: float) -> None:
        """The database gave no answer."""
        self._away_until = now + timing.DATABASE_RETRY_SECONDS

    def seconds_until_due(self, now: float, *, asks: bool, reports: bool, is_stocked: bool) -> float:
        """How long nothing is to be said, >= 0.

        Args:
            asks: whether evaluations are wanted.
            reports: whether something has ended.
            is_stocked: whether slots can go on without the database.
        """
        due = min(self._heartbeat_at, self._ask_at) if asks else self._heartbeat_at
        if reports:
            due = self._exchange_at if is_stocked else AT_ONCE
        return max(0.0, max(due, self._away_until) - now)
