"""Attempts that run: which limits they have, when they are due, and the signals that enforce them."""

from __future__ import annotations

import signal
import time
from collections.abc import Collection
from dataclasses import dataclass, field

from ambs_hpc.launcher.supervisor import process_tree
from ambs_hpc.launcher.supervisor.messages import StartRequest
from ambs_hpc.launcher.supervisor.transport import HEARTBEAT_SECONDS

MEMORY_POLL_SECONDS = 0.2
# Who keeps limits looks at them at every heartbeat. When a look is so late, all here was stopped meanwhile.
STOPPED_SECONDS = 1.5 * HEARTBEAT_SECONDS


@dataclass
class RunningAttempt:
    """An attempt that runs; `pid` leads its session and process group."""

    request: StartRequest
    pid: int
    started_at: float
    deadline: float  # monotonic; infinity without a limit
    ended_by: str | None = None  # who sent the first signal: "time", "memory", "stopped", "kernel" (memory)
    kill_at: float = field(default=float("inf"))

    @classmethod
    def now(cls, request: StartRequest, pid: int, started_at: float) -> RunningAttempt:
        """One that has just been started; its time limit counts from now."""
        limit = request.time_limit_seconds
        return cls(request, pid, started_at, float("inf") if limit is None else time.monotonic() + limit)

    @property
    def next_deadline(self) -> float:
        """When, on the monotonic clock, something is to be done about it."""
        return min(self.deadline, self.kill_at)

    def stop(self, reason: str, grace_seconds: float) -> None:
        """TERM now, KILL after the grace; the first reason stays."""
        if self.ended_by is None:
            self.ended_by = reason
            process_tree.kill_group(self.pid, signal.SIGTERM)
        self.kill_at = min(self.kill_at, time.monotonic() + grace_seconds)
        self.deadline = float("inf")

    def put_off(self, seconds: float) -> None:
        """Its limits come later by so much."""
        self.deadline += seconds
        self.kill_at += seconds

    def enforce_time(self, now: float) -> None:
        """Stop it when its time is over, kill it when its grace is."""
        if now >= self.deadline:
            self.stop("time", self.request.grace_seconds)
        if now >= self.kill_at:
            process_tree.kill_group(self.pid)
            self.kill_at = now + 1.0

    def enforce_memory(self, used_bytes: int) -> None:
        """Kill it at once above its limit: a grace would let it take the node along."""
        if used_bytes > self.request.memory_bytes and self.ended_by is None:
            self.ended_by = "memory"
            self.deadline = float("inf")
            process_tree.kill_group(self.pid)


class LimitKeeper:
    """Keeps the limits of all attempts of one supervisor.

    Time in which a scheduler has suspended the allocation, so that nothing here ran, is no attempt's.
    """

    def __init__(self) -> None:
        self._memory_due = 0.0
        self._looked_at = time.monotonic()

    def enforce(self, attempts: Collection[RunningAttempt]) -> None:
        """Signal those that are past a limit."""
        now = time.monotonic()
        stopped_seconds, self._looked_at = now - self._looked_at, now
        for one in attempts:
            if stopped_seconds > STOPPED_SECONDS:
                one.put_off(stopped_seconds)
            one.enforce_time(now)
        if now < self._memory_due:
            return
        limited = [one for one in attempts if one.request.memory_bytes]
        if not limited:
            return
        used = process_tree.memory_by_session({one.pid for one in limited})
        for one in limited:
            one.enforce_memory(used.get(one.pid, 0))
        # Many processes take long to look through: at most a tenth of our time goes there.
        spent = time.monotonic() - now
        self._memory_due = now + max(MEMORY_POLL_SECONDS, 10 * spent)

    def next_due(self, attempts: Collection[RunningAttempt]) -> float:
        """When `enforce` is to be called again, on the monotonic clock; infinity for no limit at all."""
        due = min((one.next_deadline for one in attempts), default=float("inf"))
        if any(one.request.memory_bytes for one in attempts):
            due = min(due, self._memory_due)
        return due
