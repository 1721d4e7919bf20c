"""An executor of virtual evaluations that fail, break, and are told late or twice."""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection

from ambs_hpc.launcher.executors.protocol import Ended, Placed
from ambs_hpc.launcher.supervisor.messages import StartRequest
from ambs_hpc.records import Claim
from ambs_hpc.simulate.equal_slots import EqualSlots
from ambs_hpc.simulate.faults.fault_dice import FaultDice
from ambs_hpc.simulate.faults.fault_kinds import CLOCK_STEPS_SECONDS, FaultKind
from ambs_hpc.simulate.faults.virtual_attempts import FAILURES, VirtualAttempt, VirtualDisk
from ambs_hpc.simulate.faults.virtual_program import VirtualProgram

LEAST_WAIT_SECONDS = 0.001  # virtual time has to pass in a loop that does not wait
LATE_SECONDS, AGAIN_SECONDS = 60.0, 30.0  # means


class FaultyExecutor(EqualSlots):
    """An executor for `LauncherLoop`: every evaluation takes one slot, whatever its shape.

    Args:
        program: the launcher.
        slots: number of evaluations at once, >= 1.
        dice: decides about faults, run times and failures.
        disk: where outcomes are left.
    """

    def __init__(self, program: VirtualProgram, slots: int, dice: FaultDice, disk: VirtualDisk) -> None:
        self._program, self._dice, self._disk = program, dice, disk
        self._running: list[VirtualAttempt] = []  # whose end was not told yet
        super().__init__(slots, self._running)
        self._due: list[tuple[float, int, VirtualAttempt, bool]] = []  # a heap; True for a repetition
        self._number = 0
        self._placed: list[Placed] = []

    def placed(self) -> list[Placed]:
        """This launcher's host, for each that has started since the last call."""
        placed, self._placed = self._placed, []
        return placed

    def start(self, claim: Claim, request: StartRequest) -> bool:
        """Occupy a slot until its end is told; False when all are busy."""
        if self.room() is None:
            return False
        dice, now = self._dice, self._program.clock.monotonic()
        ends_at = now + 0.05 + dice.seconds(dice.settings.run_seconds)
        fails = dice.random.random() < dice.settings.failing
        failure = FAILURES[dice.pick(len(FAILURES))] if fails else None
        program = self._program
        attempt = VirtualAttempt(
            claim, request, program, program.host, now, program.clock.now(), ends_at, failure
        )
        if dice.happens(FaultKind.CLOCK_STEP_IN_RUN):
            attempt.clock_step_seconds = CLOCK_STEPS_SECONDS[dice.pick(len(CLOCK_STEPS_SECONDS))]
        if dice.happens(FaultKind.NODE_FAILURE):
            attempt.stop(now + float(dice.random.uniform(0.0, 1.0)) * (ends_at - now), "node failed")
        self._disk.add(attempt)
        self._running.append(attempt)
        self._placed.append(Placed(claim.id, claim.attempt, program.host.name))
        self._tell_later(attempt)
        return True

    def poll(self, timeout_seconds: float) -> list[Ended]:
        """What is told by then; the others run while this launcher waits."""
        clock = self._program.clock
        now = clock.monotonic()
        next_due = self._due[0][0] if self._due else math.inf
        clock.wait_until(max(now + LEAST_WAIT_SECONDS, min(now + timeout_seconds, next_due)))
        now = clock.monotonic()
        ended: list[Ended] = []
        while self._due and self._due[0][0] <= now:
            _, _, attempt, is_repeated = heapq.heappop(self._due)
            if attempt.is_told and not is_repeated:
                continue  # it was cancelled, and that was told
            if not attempt.is_told:
                attempt.is_told = True
                self._running.remove(attempt)
            ended.append(attempt.ended())
        return ended

    def cancel(self, ids: Collection[int], grace_seconds: float) -> None:
        """They end within the grace, unless they end by themselves before."""
        now = self._program.clock.monotonic()
        for attempt in self._running:
            if attempt.claim.id in ids and attempt.over_at > now:
                attempt.stop(now + float(self._dice.random.uniform(0.0, 1.0)) * grace_seconds, "cancelled")
                self._push(attempt.over_at, attempt, is_repeated=False)

    def close(self) -> None:
        """Kill what still runs."""
        self.kill(self._program.timeline.now())

    def kill(self, now: float) -> None:
        """Its evaluations die."""
        for attempt in self._running:
            attempt.stop(now, "killed")

    def _tell_later(self, attempt: VirtualAttempt) -> None:
        dice, moment = self._dice, attempt.over_at
        if dice.happens(FaultKind.REPORT_LATE):
            moment += dice.seconds(LATE_SECONDS)
        self._push(moment, attempt, is_repeated=False)
        if dice.happens(FaultKind.REPORT_TWICE):
            self._push(moment + dice.seconds(AGAIN_SECONDS), attempt, is_repeated=True)

    def _push(self, moment: float, attempt: VirtualAttempt, *, is_repeated: bool) -> None:
        self._number += 1
        heapq.heappush(self._due, (moment, self._number, attempt, is_repeated))
