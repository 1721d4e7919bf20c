"""The one SQLite file that all actors share, with its lock and its delays on virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ambs_hpc.queue import open_database
from ambs_hpc.simulate.virtual_clock import START, Timeline

if TYPE_CHECKING:
    from sqlalchemy import Engine

# How often `ambs_hpc.queue.wait_for_change` looks at a SQLite file: at first, and after a long wait.
FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.002, 0.05


class SharedDatabase:
    """Engines of one file; transactions of different actors follow one another in virtual time.

    A transaction begins when the one before it has been committed, so what an actor reads is what it would
    have read from the file at that moment: nothing is seen before it was made.
    """

    def __init__(self, file: Path) -> None:
        self._url = f"sqlite:///{file}"
        self._free_at = START  # the lock is held until then
        self._version = 0  # of what has been committed
        self._seen: dict[Timeline, int] = {}
        self._waiting: dict[Timeline, float] = {}  # since when
        self._engines: list[Engine] = []

    def engine(self) -> Engine:
        """An engine on real time, for what happens before the actors begin."""
        engine = open_database(self._url)
        self._engines.append(engine)
        return engine

    def engine_of(self, timeline: Timeline) -> Engine:
        """The engine of one actor: it stores virtual times and waits for the lock in virtual time."""
        from sqlalchemy import event

        engine = self.engine()
        engine.update_execution_options(clock=timeline)
        changes = 0

        def check_out(driver: Any, *_: object) -> None:
            nonlocal changes
            timeline.wait_until(max(timeline.now(), self._free_at))
            while self._free_at > timeline.now():
                timeline.wait_until(self._free_at)
            changes = driver.total_changes

        def check_in(driver: Any, *_: object) -> None:
            self._free_at = timeline.now()
            if driver is not None and driver.total_changes != changes:
                self._tell()

        # Not "begin": the listener that takes the real lock cannot be preceded there.
        event.listen(engine, "checkout", check_out)
        event.listen(engine, "checkin", check_in)
        return engine

    def wait_for_change(self, timeline: Timeline, timeout_seconds: float) -> None:
        """Wait as `ambs_hpc.queue.wait_for_change` does, on virtual time: until a commit or the time-out."""
        if self._seen.get(timeline) == self._version:
            began = timeline.now()
            self._waiting[timeline] = began
            timeline.wait_until(began + timeout_seconds)
            del self._waiting[timeline]
        self._seen[timeline] = self._version

    def close(self) -> None:
        """Close all connections."""
        for engine in self._engines:
            engine.dispose()

    def _tell(self) -> None:
        self._version += 1
        for timeline, since in self._waiting.items():
            timeline.wake_at(next_look(since, self._free_at))


def next_look(since: float, moment: float) -> float:
    """The time of the first look at the file after `moment`, by an actor that has waited from `since` on."""
    look, pause = since, FIRST_LOOK_SECONDS
    while look < moment and pause < LONGEST_LOOK_SECONDS:
        look += pause
        pause = min(2 * pause, LONGEST_LOOK_SECONDS)
    if look >= moment:
        return look
    return look + LONGEST_LOOK_SECONDS * -(-(moment - look) // LONGEST_LOOK_SECONDS)
