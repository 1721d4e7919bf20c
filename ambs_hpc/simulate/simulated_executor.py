"""An executor whose slots run nothing: an evaluation ends when the virtual clock says so."""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from ambs_hpc.launcher.executors.protocol import Ended, Interrupted
from ambs_hpc.launcher.supervisor.messages import StartRequest
from ambs_hpc.records import Claim, Outcome
from ambs_hpc.simulate.durations import RunTime
from ambs_hpc.simulate.equal_slots import EqualSlots
from ambs_hpc.simulate.goals.load_goals import RUN_SECONDS, Measure
from ambs_hpc.simulate.objectives import Objective
from ambs_hpc.simulate.virtual_clock import Timeline


@dataclass(frozen=True, slots=True)
class Load:
    """The behaviour of simulated evaluations.

    Args:
        objective: from a configuration to its value.
        run_time: its run time.
        seed: seed of the run times; an evaluation's draw depends on its ordinal and attempt alone.
        node_failures_per_hour: rate of failures of a busy slot, >= 0; the evaluation is interrupted.
        start_seconds: time of the launcher for each evaluation that it starts, one after the other, >= 0.
        measure: all numbers of a configuration but its run time; None where there is the objective alone.
    """

    objective: Objective
    run_time: RunTime
    seed: int = 0
    node_failures_per_hour: float = 0.0
    start_seconds: float = 0.0
    measure: Measure | None = None


@dataclass(frozen=True, slots=True)
class Ran:
    """An evaluation that occupied a slot; times in virtual seconds since 1970.

    Args:
        objective: None when it was interrupted.
        metrics: where the load measures more than its objective.
    """

    started_at: float
    finished_at: float
    objective: float | None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Busy:
    """A slot in use."""

    claim: Claim
    started_at: float
    ends_at: float
    breaks: bool  # the node fails at `ends_at`


class SimulatedExecutor(EqualSlots):
    """An executor for `LauncherLoop`: every evaluation takes one slot, whatever its shape.

    Args:
        clock: the launcher's clock; an evaluation starts at the moment at which the launcher starts it.
        slots: number of evaluations at once, >= 1.
        load: their behaviour.
    """

    def __init__(self, clock: Timeline, slots: int, load: Load) -> None:
        self._clock, self._load = clock, load
        self._ends: list[tuple[float, int, int]] = []  # a heap of (ends at, id, attempt)
        self._busy: dict[tuple[int, int], _Busy] = {}  # by id and attempt
        super().__init__(slots, self._busy)
        self._cancelled: list[Interrupted] = []
        self.history: list[Ran] = []

    def start(self, claim: Claim, request: StartRequest) -> bool:
        """Occupy a slot until the virtual end; False when all are busy."""
        if self.room() is None:
            return False
        random = np.random.default_rng((self._load.seed, claim.ordinal, claim.attempt))
        seconds = self._load.run_time.seconds(claim.configuration, random)
        failing = self._load.node_failures_per_hour / 3600
        lives = float(random.exponential(1 / failing)) if failing else math.inf
        if self._load.start_seconds:
            self._clock.sleep(self._load.start_seconds)
        now = self._clock.now()
        busy = _Busy(claim, now, now + min(seconds, lives), breaks=lives < seconds)
        heapq.heappush(self._ends, (busy.ends_at, claim.id, claim.attempt))
        self._busy[claim.id, claim.attempt] = busy
        return True

    def poll(self, timeout_seconds: float) -> list[Ended]:
        """What has ended; other actors run while this launcher waits for the first end."""
        now = self._clock.now()
        next_end = now if self._cancelled else self._next_end()
        self._clock.wait_until(max(now, min(now + timeout_seconds, next_end)))
        ended: list[Ended] = [*self._cancelled]
        self._cancelled = []
        now = self._clock.now()
        while self._next_end() <= now:
            _, *key = heapq.heappop(self._ends)
            busy = self._busy.pop((key[0], key[1]), None)
            if busy is not None:  # otherwise it was cancelled
                ended.append(self._end(busy))
        return ended

    def cancel(self, ids: Collection[int], grace_seconds: float) -> None:
        """End them at once, because simulated evaluations need no grace."""
        now, chosen = self._clock.now(), set(ids)
        for key, busy in list(self._busy.items()):
            if busy.claim.id in chosen:
                del self._busy[key]
                self._cancelled.append(Interrupted(*key, "cancelled"))
                self.history.append(Ran(busy.started_at, now, None))

    def close(self) -> None:
        """End everything that runs."""
        self._busy.clear()
        self._ends.clear()

    def still_running(self) -> list[Ran]:
        """The evaluations whose end was not polled, up to the end that they would have had."""
        return [Ran(busy.started_at, busy.ends_at, None) for busy in self._busy.values()]

    def _next_end(self) -> float:
        return self._ends[0][0] if self._ends else math.inf

    def _end(self, busy: _Busy) -> Outcome | Interrupted:
        one = busy.claim
        if busy.breaks:
            self.history.append(Ran(busy.started_at, busy.ends_at, None))
            return Interrupted(one.id, one.attempt, "node failed")
        value, metrics = self._load.objective(one.configuration), dict[str, float]()
        if self._load.measure is not None:
            ran = busy.ends_at - busy.started_at
            metrics = {**self._load.measure(one.configuration), RUN_SECONDS: ran}
        self.history.append(Ran(busy.started_at, busy.ends_at, value, metrics))
        return Outcome(
            one.id,
            one.attempt,
            one.token,
            busy.started_at,
            busy.ends_at,
            "pretended",
            objective=value,
            metrics=dict(metrics),
        )
