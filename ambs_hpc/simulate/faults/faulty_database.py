"""A real SQLite database whose lock is held in virtual time and whose transactions go wrong under a seed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from ambs_hpc.queue.sql.engine import LOCK_WAIT_SECONDS
from ambs_hpc.simulate.faults.fault_dice import FaultDice
from ambs_hpc.simulate.faults.fault_kinds import FaultKind
from ambs_hpc.simulate.faults.virtual_program import ProgramKilled, VirtualProgram

if TYPE_CHECKING:
    from sqlalchemy import Engine

LATENCY_SECONDS = 0.01  # at most, before each transaction: others come first
# The driver's words, which `ambs_hpc.queue` translates into DatabaseUnreachable and DatabaseLocked.
UNREACHABLE, BUSY = "disk I/O error", "database is locked"


class DatabaseClock:
    """The clock of the database's host."""

    def __init__(self, current: Callable[[], VirtualProgram]) -> None:
        self._current = current
        self.offset_seconds = 0.0

    def now(self) -> float:
        """Seconds since 1970 by the database's host."""
        return self._current().timeline.now() + self.offset_seconds

    def monotonic(self) -> float:
        """Seconds of true virtual time."""
        return self._current().timeline.now()

    def sleep(self, seconds: float) -> None:
        """Let the others run for `seconds`."""
        self._current().clock.sleep(seconds)


class FaultyDatabase:
    """One engine for all programs; the program whose turn it is gets the fault.

    A real transaction begins and ends within one turn, so it never waits for another. Its time passes before
    it begins, while its program holds the lock: what others would see meanwhile, they wait for.

    Args:
        engine: of a SQLite file with our tables; it is as before once this is closed.
        dice: decides about faults.
        current: the program whose turn it is.
        killed: called with a program that dies at a transaction.
    """

    def __init__(
        self,
        engine: Engine,
        dice: FaultDice,
        current: Callable[[], VirtualProgram],
        killed: Callable[[VirtualProgram], None],
    ) -> None:
        self.engine, self._dice, self._current, self._killed = engine, dice, current, killed
        self.clock = DatabaseClock(current)
        self.engine.update_execution_options(clock=self.clock)
        self.commits = 0
        self.away_until = float("-inf")
        self.journal: list[tuple[float, int]] = []  # (true time of a commit, id of the last event by then)
        self.heartbeats: dict[int, list[tuple[float, float]]] = {}  # by launcher: (true, stored) times
        self._holder: VirtualProgram | None = None
        self._really_commit: Callable[[Any], None] = self.engine.dialect.do_commit
        event.listen(self.engine, "checkout", self._begin)
        event.listen(self.engine, "checkin", self._end)
        dialect: Any = self.engine.dialect
        dialect.do_commit = self._commit  # no event comes after it

    def copy(self) -> sqlite3.Connection:
        """A backup of what has been committed."""
        copy = sqlite3.connect(":memory:", check_same_thread=False)
        with sqlite3.connect(str(self.engine.url.database)) as source:
            source.backup(copy)
        source.close()
        return copy

    def go_back(self, copy: sqlite3.Connection) -> None:
        """Restore a backup; programs keep their connections."""
        with sqlite3.connect(str(self.engine.url.database)) as target:
            copy.backup(target)
        target.close()
        self.journal.clear()

    def close(self) -> None:
        """Take the faults out of the engine, and close its connections."""
        event.remove(self.engine, "checkout", self._begin)
        event.remove(self.engine, "checkin", self._end)
        dialect: Any = self.engine.dialect
        dialect.do_commit = self._really_commit
        self.engine.dispose()

    def _begin(self, *_: object) -> None:
        program = self._current()
        program.go_on()
        if not program.is_protected:
            self._before(program)
        self._take_lock(program)

    def _before(self, program: VirtualProgram) -> None:
        dice, clock = self._dice, program.clock
        clock.sleep(float(dice.random.uniform(0.0, LATENCY_SECONDS)))
        if dice.happens(FaultKind.PAUSE_BETWEEN):
            program.stop_until(clock.monotonic() + dice.seconds(60.0))
            program.go_on()
        if self.away_until > clock.monotonic():
            clock.sleep(float(dice.random.uniform(0.0, 10.0)))  # a connection that is refused, or times out
            raise sqlite3.OperationalError(UNREACHABLE)
        if dice.happens(FaultKind.LOCKED):
            clock.sleep(float(dice.random.choice([0.0, LOCK_WAIT_SECONDS])))
            raise sqlite3.OperationalError(BUSY)

    def _take_lock(self, program: VirtualProgram) -> None:
        clock = program.clock
        deadline = clock.monotonic() + LOCK_WAIT_SECONDS
        while self._holder is not None and self._holder.is_alive:
            if clock.monotonic() > deadline and not program.is_protected:
                raise sqlite3.OperationalError(BUSY)
            clock.sleep(0.5)
        self._holder = program
        if not program.is_protected and self._dice.happens(FaultKind.SLOW):
            try:
                clock.sleep(self._dice.seconds(10.0))
            except BaseException:
                self._holder = None
                raise

    def _commit(self, connection: Any) -> None:
        program, dice = self._current(), self._dice
        if program.is_protected:
            self._really_commit(connection)
            return
        if dice.happens(FaultKind.KILL_BEFORE_COMMIT):
            self._die(program)
        if dice.happens(FaultKind.COMMIT_FAILS):
            raise sqlite3.OperationalError(UNREACHABLE if dice.random.random() < 0.5 else BUSY)
        self._really_commit(connection)
        self.commits += 1
        self._note(connection, program.timeline.now())
        if dice.happens(FaultKind.KILL_AFTER_COMMIT):
            self._die(program)
        if dice.happens(FaultKind.ANSWER_LOST):
            raise sqlite3.OperationalError(UNREACHABLE)

    def _note(self, connection: Any, now: float) -> None:
        cursor = connection.cursor()
        last = cursor.execute("SELECT max(id) FROM evaluation_event").fetchone()[0] or 0
        if not self.journal or self.journal[-1][1] != last:
            self.journal.append((now, last))
        for launcher_id, stored in cursor.execute("SELECT id, heartbeat_at FROM launcher").fetchall():
            told = self.heartbeats.setdefault(launcher_id, [])
            if not told or told[-1][1] != stored:
                told.append((now, stored))

    def _die(self, program: VirtualProgram) -> None:
        self._killed(program)
        raise ProgramKilled

    def _end(self, *_: object) -> None:
        if self._holder is self._current():
            self._holder = None
