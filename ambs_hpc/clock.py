"""Time as a value that is handed in: the real clock, and one that tests and the simulator move by hand."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where a loop gets its time from."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC; for stored times."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump; for durations and deadlines."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let `seconds` >= 0 pass."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class ManualClock:
    """A clock that stands still until it is moved; sleeping moves it."""

    def __init__(self, start: float = 1_000_000_000.0) -> None:
        self.time = start

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
