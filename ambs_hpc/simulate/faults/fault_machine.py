"""The world of one run: its time, hosts, programs, database, disk and scheduler."""

from __future__ import annotations

import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ambs_hpc.identity import ProcessIdentity
from ambs_hpc.queue import note_submitted, prepare_allocation, transaction
from ambs_hpc.simulate.faults.fault_dice import FaultDice
from ambs_hpc.simulate.faults.fault_kinds import FaultKind, FaultSettings
from ambs_hpc.simulate.faults.faulty_database import FaultyDatabase
from ambs_hpc.simulate.faults.faulty_executor import FaultyExecutor
from ambs_hpc.simulate.faults.virtual_attempts import VirtualDisk
from ambs_hpc.simulate.faults.virtual_program import VirtualHost, VirtualProgram
from ambs_hpc.simulate.faults.virtual_scheduler import VirtualScheduler
from ambs_hpc.simulate.virtual_clock import START, Timeline, VirtualTime

if TYPE_CHECKING:
    from sqlalchemy import Engine

TOKEN_STREAM = 3
PIDS = 5  # so few that a new process often has the pid of a dead one
UNKNOWN_SHARE = 0.3
LOGIN_HOSTS, NODES = 2, 3


class FaultMachine:
    """Everything that the programs of one run share.

    Args:
        settings: what is simulated.
        engine: of a SQLite file with our tables and nothing else, for this run alone.
    """

    def __init__(self, settings: FaultSettings, engine: Engine) -> None:
        self.settings = settings
        self.world = VirtualTime(charged=False)
        self.dice = FaultDice(settings, lambda: self.is_calm)
        self.disk = VirtualDisk()
        self.scheduler = VirtualScheduler(self.dice, self.now)
        self.logins = [VirtualHost(f"login{index}") for index in range(LOGIN_HOSTS)]
        self.nodes = [VirtualHost(f"node{index}") for index in range(NODES)]
        self.programs: list[VirtualProgram] = []  # in the order of their starts
        self.executors: dict[VirtualProgram, FaultyExecutor] = {}
        self.scheduler_ids: dict[VirtualProgram, str] = {}
        self.crashes: list[str] = []
        self.went_back = False
        self.completions: list[float] = []  # when a search saw that all is done
        self.completed_at: float | None = None  # in true virtual time
        self.is_over = False  # programs end when they see it
        self._tokens = np.random.default_rng((settings.seed, TOKEN_STREAM))
        self._thread = threading.local()
        self._processes: dict[ProcessIdentity, VirtualProgram] = {}
        before = Timeline(self.world, "before", lambda timeline: None, START)
        self._before = self.bench_program(before)
        self.database = FaultyDatabase(engine, self.dice, self.current, self.kill_at_commit)

    def now(self) -> float:
        """True virtual time."""
        return self.current().timeline.now()

    @property
    def is_calm(self) -> bool:
        """Whether faults have stopped."""
        return self.now() >= START + self.settings.faulty_seconds

    # -- programs -----------------------------------------------------------------------------------

    def current(self) -> VirtualProgram:
        """The program whose turn it is."""
        program: VirtualProgram = getattr(self._thread, "program", self._before)
        return program

    def enter(self, program: VirtualProgram) -> None:
        """The calling thread is that program from now on."""
        self._thread.program = program

    def bench_program(self, timeline: Timeline) -> VirtualProgram:
        """A program of the test bench, to which nothing happens."""
        host = VirtualHost("bench")
        return VirtualProgram(timeline, "bench", host, ProcessIdentity("bench", 1, 1), is_protected=True)

    def start_program(
        self, timeline: Timeline, role: str, host: VirtualHost, *, in_allocation: bool = False
    ) -> VirtualProgram:
        """A new process, in an allocation of its own if need be."""
        identity = ProcessIdentity(host.name, 100 + self.dice.pick(PIDS), len(self.programs) + 1)
        program = VirtualProgram(timeline, role, host, identity)
        if in_allocation:
            scheduler_id = self.scheduler.grant()
            self.scheduler_ids[program] = scheduler_id
            with transaction(self.database.engine) as connection:
                program.allocation_id = prepare_allocation(connection, "virtual", "virtual", {})
                note_submitted(connection, program.allocation_id, scheduler_id)
        self.programs.append(program)
        self._processes[identity] = program
        return program

    def living(self, role: str | None = None) -> list[VirtualProgram]:
        """Programs whose processes exist, the oldest first."""
        return [one for one in self.programs if one.is_alive and role in (None, one.role)]

    def kill(self, program: VirtualProgram, *, with_evaluations: bool) -> None:
        """Kill a program; without its evaluations they run on until they end."""
        now = self.now()
        program.kill(now)
        if with_evaluations and program in self.executors:
            self.executors[program].kill(now)
        if program in self.scheduler_ids:
            self.scheduler.end(self.scheduler_ids[program])

    def kill_at_commit(self, program: VirtualProgram) -> None:
        """Kill the program whose turn it is; whether its evaluations die too is left to the dice."""
        self.kill(program, with_evaluations=bool(self.dice.random.random() < 0.5))

    def end(self, program: VirtualProgram) -> None:
        """A program has ended by itself, or has just noticed that it was killed."""
        if program.is_alive:
            program.end(self.now())
            if program in self.executors:
                self.executors[program].kill(self.now())
            if program in self.scheduler_ids:
                self.scheduler.end(self.scheduler_ids[program])

    def note_crash(self, program: VirtualProgram, error: Exception) -> None:
        """A program ended by an exception that no fault explains."""
        where = traceback.extract_tb(error.__traceback__)[-1]
        self.crashes.append(
            f"{program.role} crashed: {error!r} at {Path(where.filename).name}:{where.lineno}"
        )

    # -- what real programs ask the machine ----------------------------------------------------------

    def this_process(self) -> ProcessIdentity:
        """As `ambs_hpc.identity.this_process`."""
        return self.current().identity

    def is_gone(self, identity: ProcessIdentity) -> bool | None:
        """As `ambs_hpc.identity.is_gone`: the truth, or None where it cannot be told."""
        if self.current().host.name != identity.host:
            return None
        if self.dice.happens(FaultKind.UNKNOWN_EVIDENCE, UNKNOWN_SHARE):
            return None
        program = self._processes.get(identity)
        return program is None or not program.is_alive

    def token_hex(self, size: int) -> str:
        """As `secrets.token_hex`, but the same in every run of a seed."""
        return self._tokens.bytes(size).hex()
