"""A launcher's calls to the database, made in a virtual thread beside its loop."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from ambs_hpc.errors import DatabaseUnreachable
from ambs_hpc.launcher.database_calls import DatabaseAnswer
from ambs_hpc.simulate.faults.fault_machine import FaultMachine
from ambs_hpc.simulate.faults.virtual_program import ProgramKilled, VirtualProgram
from ambs_hpc.simulate.virtual_clock import START, SimulationOver, Timeline

Result = TypeVar("Result")


class VirtualAnswer(DatabaseAnswer[Result]):
    """What a call gives; whoever waits for it waits in virtual time."""

    def __init__(self, call: Callable[[], Result], program: VirtualProgram) -> None:
        super().__init__(call)
        self._program = program

    def run(self) -> None:
        """Make the call; a thread that is killed in it ends."""
        super().run()
        if isinstance(self._error, (ProgramKilled, SimulationOver)):
            raise self._error
        self._program.timelines[0].wake_at(self._program.clock.monotonic())

    def wait(self, seconds: float) -> bool:
        """Whether the call has ended, waiting at most so long."""
        clock = self._program.clock
        deadline = clock.monotonic() + seconds
        while not self._ended.is_set() and clock.monotonic() < deadline:
            clock.wait_until(deadline)
        return self._ended.is_set()


class VirtualCalls:
    """As `ambs_hpc.launcher.database_calls.CallsBeside`, with a virtual thread."""

    def __init__(self, machine: FaultMachine, program: VirtualProgram) -> None:
        self._machine, self._program = machine, program
        self._calls: deque[VirtualAnswer[Any]] = deque()
        self._last: VirtualAnswer[Any] | None = None
        self._thread = machine.world.add("database", self._serve, starts_after=machine.now() - START)

    def begin(self, call: Callable[[], Result]) -> DatabaseAnswer[Result]:
        """Begin a call.

        Raises:
            DatabaseUnreachable: the one before has not ended.
        """
        if self._last is not None and not self._last.wait(0.0):
            raise DatabaseUnreachable("the database has not answered the call before")
        answer = VirtualAnswer(call, self._program)
        self._last = answer
        self._calls.append(answer)
        self._thread.wake_at(self._program.clock.monotonic())
        return answer

    def _serve(self, timeline: Timeline) -> None:
        self._machine.enter(self._program)
        self._program.add_thread(timeline)
        try:
            while self._program.is_alive:
                if self._calls:
                    self._calls.popleft().run()
                else:
                    timeline.wait_until(math.inf)
        except ProgramKilled:
            pass
