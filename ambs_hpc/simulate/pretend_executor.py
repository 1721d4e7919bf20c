"""Slots that run nothing: an evaluation ends when the virtual clock says so."""

from __future__ import annotations

import heapq
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from ambs_hpc.launcher.executor import Ended, Interrupted, Work
from ambs_hpc.records import Claim, Outcome, Resources
from ambs_hpc.simulate.objectives import Objective
from ambs_hpc.simulate.run_times import RunTime
from ambs_hpc.simulate.virtual_clock import Timeline


@dataclass(frozen=True, slots=True)
class Load:
    """What evaluations do here.

    Args:
        objective: from a configuration to its value.
        run_time: how long it takes.
        seed: of the run times; an evaluation's draw depends on its ordinal and attempt alone.
    """

    objective: Objective
    run_time: RunTime
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Ran:
    """An evaluation as the slot saw it; times in virtual seconds since 1970."""

    started_at: float
    finished_at: float
    objective: float


class PretendExecutor:
    """An executor for `LauncherLoop`: every evaluation takes one slot, whatever its shape.

    Args:
        clock: the launcher's; an evaluation starts at the moment at which the launcher got to it.
        slots: how many run at once, >= 1.
        load: what they do.
    """

    def __init__(self, clock: Timeline, slots: int, load: Load) -> None:
        self._clock, self._slots, self._load = clock, slots, load
        self._running: list[tuple[float, int, int]] = []  # a heap of (ends at, id, attempt)
        self._claims: dict[tuple[int, int], tuple[Claim, float]] = {}  # by id and attempt, with the start
        self._cancelled: list[Interrupted] = []
        self.history: list[Ran] = []

    def count(self, shape: Resources) -> int:
        """Free slots."""
        return self._slots - len(self._claims)

    def room(self) -> Resources | None:
        """The one shape there is; None when full."""
        return Resources() if len(self._claims) < self._slots else None

    def start(self, work: Work) -> bool:
        """Occupy a slot until the virtual end; False when all are busy."""
        if len(self._claims) >= self._slots:
            return False
        one = work.claim
        random = np.random.default_rng((self._load.seed, one.ordinal, one.attempt))
        seconds = self._load.run_time.seconds(one.configuration, random)
        now = self._clock.now()
        heapq.heappush(self._running, (now + seconds, one.id, one.attempt))
        self._claims[one.id, one.attempt] = (one, now)
        return True

    def poll(self, timeout_seconds: float) -> list[Ended]:
        """What has ended; others run while this launcher waits for the first."""
        now = self._clock.now()
        next_end = now if self._cancelled else self._next_end()
        self._clock.wait_until(max(now, min(now + timeout_seconds, next_end)))
        ended: list[Ended] = [*self._cancelled]
        self._cancelled = []
        now = self._clock.now()
        while self._next_end() <= now:
            finished_at, *key = heapq.heappop(self._running)
            if tuple(key) in self._claims:  # else it was cancelled
                ended.append(self._end(*self._claims.pop((key[0], key[1])), finished_at))
        return ended

    def cancel(self, ids: Collection[int], grace_seconds: float) -> None:
        """End them at once: what is pretended needs no grace."""
        for one, _ in list(self._claims.values()):
            if one.id in ids:
                del self._claims[one.id, one.attempt]
                self._cancelled.append(Interrupted(one.id, one.attempt, "cancelled"))

    def close(self) -> None:
        """Nothing runs any more."""
        self._claims.clear()
        self._running.clear()

    def still_running(self) -> list[Ran]:
        """What had not been seen to end: from its start to the end that it would have had."""
        ends = {(evaluation_id, attempt): ends_at for ends_at, evaluation_id, attempt in self._running}
        return [
            Ran(start, ends[key], self._load.objective(one.configuration))
            for key, (one, start) in self._claims.items()
        ]

    def _next_end(self) -> float:
        return self._running[0][0] if self._running else float("inf")

    def _end(self, one: Claim, started_at: float, finished_at: float) -> Outcome:
        value = self._load.objective(one.configuration)
        self.history.append(Ran(started_at, finished_at, value))
        return Outcome(one.id, one.attempt, started_at, finished_at, "pretended", objective=value)
