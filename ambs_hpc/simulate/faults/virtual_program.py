"""A program that can be killed or stopped at any moment, on a host whose clock may step."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ambs_hpc.identity import ProcessIdentity

if TYPE_CHECKING:
    from ambs_hpc.simulate.virtual_clock import Timeline


class ProgramKilled(BaseException):
    """Raised in a killed program where it would go on; no `except Exception` stops it."""


@dataclass
class VirtualHost:
    """A host; `clock_offset_seconds` is how far its clock is ahead of the true virtual time."""

    name: str
    clock_offset_seconds: float = 0.0


class VirtualProgram:
    """One process with its threads: a search, a launcher or a person's command.

    Args:
        timeline: the place of its main thread in virtual time; a later program may go on with the same.
        is_protected: part of the test bench, to which no fault happens.
    """

    def __init__(
        self,
        timeline: Timeline,
        role: str,
        host: VirtualHost,
        identity: ProcessIdentity,
        *,
        allocation_id: int | None = None,
        is_protected: bool = False,
    ) -> None:
        self.role, self.host, self.identity = role, host, identity
        self.timelines = [timeline]  # of its threads, the main one first
        self._of_thread = threading.local()
        self.allocation_id, self.is_protected = allocation_id, is_protected
        self.launcher_id: int | None = None
        self.ended_at: float | None = None  # true virtual time, however it ended
        self.said_end_at = math.inf  # when it began to record its end
        self.is_killed = False
        self.resumes_at = -math.inf  # it is stopped until then
        self.clock = ProgramClock(self)

    @property
    def timeline(self) -> Timeline:
        """That of the calling thread, if it is one of the program's."""
        timeline: Timeline = getattr(self._of_thread, "timeline", self.timelines[0])
        return timeline

    def add_thread(self, timeline: Timeline) -> None:
        """The calling thread belongs to the program from now on."""
        self._of_thread.timeline = timeline
        self.timelines.append(timeline)

    @property
    def is_alive(self) -> bool:
        """Whether its process exists."""
        return self.ended_at is None

    def kill(self, now: float) -> None:
        """Its process is gone; whatever it was waiting for, it does not go on."""
        if self.is_alive:
            self.is_killed = True
            self.end(now)

    def end(self, now: float) -> None:
        """Its process has ended; its threads notice at once."""
        self.ended_at = now
        for timeline in self.timelines:
            timeline.wake_at(now)

    def stop_until(self, moment: float) -> None:
        """It does nothing until then."""
        self.resumes_at = max(self.resumes_at, moment)

    def go_on(self) -> None:
        """Return when it may go on.

        Raises:
            ProgramKilled: it may not.
        """
        while not self.is_killed and self.resumes_at > self.timeline.now():
            self.timeline.wait_until(self.resumes_at)
        if self.is_killed:
            raise ProgramKilled


class ProgramClock:
    """The clock of a program: its host's time of day, and a monotonic time that never steps."""

    def __init__(self, program: VirtualProgram) -> None:
        self._program = program

    def now(self) -> float:
        """Seconds since 1970 by its host's clock."""
        return self._program.timeline.now() + self._program.host.clock_offset_seconds

    def monotonic(self) -> float:
        """Seconds of true virtual time."""
        return self._program.timeline.now()

    def sleep(self, seconds: float) -> None:
        """Let the others run for `seconds`."""
        self.wait_until(self.monotonic() + seconds)

    def wait_until(self, moment: float) -> None:
        """Let the others run until `moment` in true virtual time, or longer when stopped meanwhile."""
        self._program.timeline.wait_until(moment)
        self._program.go_on()
