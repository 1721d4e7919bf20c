"""Virtual time: several actors on one clock that jumps, each charged with the CPU time that it really uses.

An actor is ordinary code in a thread of its own, given a `Timeline` as its clock. Exactly one actor runs at
any moment: the one whose time is earliest, until it waits. What it computes meanwhile takes virtual time as
long as it takes processor time, so the actors behave as separate processes on cores of their own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

START = 1_000_000_000.0  # seconds since 1970: virtual times look like stored times


class SimulationOver(Exception):
    """Raised in an actor that waits when the simulated time has ended."""


class VirtualTime:
    """Gives the turn to the actor whose time is earliest.

    Args:
        charged: let processor time pass as virtual time; False makes all computing free.
    """

    def __init__(self, *, charged: bool = True) -> None:
        self.charged = charged
        self.is_over = False
        self._back = threading.Semaphore(0)
        self._turns = 0  # of several actors with the same time, the one that waits longest is next
        self._timelines: list[Timeline] = []
        self._end_at = START
        self._error: BaseException | None = None

    def add(self, name: str, body: Callable[[Timeline], None], *, starts_after: float = 0.0) -> Timeline:
        """Add an actor that runs `body` from `starts_after` seconds on, once `run` is called."""
        timeline = Timeline(self, name, body, START + starts_after)
        self._timelines.append(timeline)
        return timeline

    def run(self, seconds: float, shown: Callable[[float], None] = lambda elapsed: None) -> None:
        """Let the actors run until virtual time has passed or all have ended.

        Args:
            seconds: virtual time from the beginning, > 0.
            shown: called between turns with the seconds that have passed; it costs no virtual time.

        Raises:
            BaseException: the exception of an actor, after all have ended.
        """
        end = self._end_at = START + seconds
        try:
            while self._error is None and (alive := [one for one in self._timelines if not one.has_ended]):
                chosen = earliest(alive)
                if chosen.wakes_at >= end:
                    break
                shown(chosen.wakes_at - START)
                chosen.resume()
                self._back.acquire()
        finally:
            self._end()
        if self._error is not None:
            raise self._error
        shown(seconds)

    def is_next(self, timeline: Timeline) -> bool:
        """Whether the running actor, which begins to wait, would get the next turn itself."""
        if self.is_over or timeline.wakes_at >= self._end_at:
            return False
        others = (one for one in self._timelines if one is not timeline and not one.has_ended)
        return all(one.wakes_at > timeline.wakes_at for one in others)

    def yield_turn(self, timeline: Timeline) -> None:
        """The running actor begins to wait."""
        if self.is_over:
            raise SimulationOver
        timeline.turn = self._turns = self._turns + 1
        self._back.release()

    def ended(self, error: BaseException | None) -> None:
        """The running actor has ended."""
        self._error = self._error or error
        self._back.release()

    def _end(self) -> None:
        self.is_over = True
        for one in self._timelines:
            while not one.has_ended:
                one.resume()
                self._back.acquire()


class Timeline:
    """The clock of one actor; only its own thread may ask it for the time or wait on it."""

    def __init__(
        self, world: VirtualTime, name: str, body: Callable[[Timeline], None], starts_at: float
    ) -> None:
        self.wakes_at = starts_at
        self.turn = 0
        self.has_ended = False
        self.cpu_seconds = 0.0  # spent up to the last wait, charged or not
        self._world, self._body = world, body
        self._began_at, self._began_cpu = starts_at, 0.0
        self._go = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)

    def now(self) -> float:
        """Seconds since 1970 in virtual time."""
        if not self._world.charged:
            return self._began_at
        return self._began_at + time.process_time() - self._began_cpu

    def monotonic(self) -> float:
        """The same as `now`: virtual time never jumps back."""
        return self.now()

    def sleep(self, seconds: float) -> None:
        """Let the other actors run for `seconds`."""
        self.wait_until(self.now() + seconds)

    def spent_cpu_seconds(self) -> float:
        """Processor seconds of this actor up to this moment."""
        return self.cpu_seconds + time.process_time() - self._began_cpu

    def wait_until(self, moment: float) -> None:
        """Let the other actors run until `moment`, or until one of them calls `wake_at` with an earlier one.

        Raises:
            SimulationOver: the simulation ends before that moment.
        """
        self.wakes_at = max(moment, self.now())
        self.cpu_seconds = self.spent_cpu_seconds()
        if self._world.is_next(self):
            self._begin_turn()  # without two changes of threads
            return
        self._world.yield_turn(self)
        self._pause()

    def wake_at(self, moment: float) -> None:
        """Let this actor wake at `moment` if it would wake later; another actor calls it."""
        self.wakes_at = min(self.wakes_at, max(moment, self._began_at))

    def resume(self) -> None:
        """Give it the turn; the caller then waits until the actor yields it."""
        if self._thread.ident is None:
            self._thread.start()
        self._go.release()

    def _live(self) -> None:
        error: BaseException | None = None
        try:
            self._pause()
            self._body(self)
        except SimulationOver:
            pass
        except BaseException as raised:  # noqa: BLE001  # it belongs to whoever called `run`
            error = raised
        self.cpu_seconds = self.spent_cpu_seconds()
        self.has_ended = True
        self._world.ended(error)

    def _pause(self) -> None:
        self._go.acquire()
        if self._world.is_over:
            raise SimulationOver
        self._begin_turn()

    def _begin_turn(self) -> None:
        self._began_at = self.wakes_at
        self._began_cpu = time.process_time()


def earliest(timelines: Sequence[Timeline]) -> Timeline:
    """The timeline of the actor that runs next."""
    return min(timelines, key=lambda one: (one.wakes_at, one.turn))
