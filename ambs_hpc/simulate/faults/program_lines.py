"""Lines of programs: a search or a launcher that dies or ends is followed by a new one, as people do."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select

from ambs_hpc.campaign import SearchLoop
from ambs_hpc.errors import CampaignConflict, DatabaseLocked, DatabaseUnreachable, NotFound
from ambs_hpc.launcher.life.end_watch import REPORT_SECONDS
from ambs_hpc.launcher.loop import LauncherLoop
from ambs_hpc.launcher.runtime_estimate import run_time_bounds
from ambs_hpc.queue import cancel, reading, register_launcher, rerun, transaction
from ambs_hpc.queue.schema.tables import evaluation
from ambs_hpc.records import Campaign, NewLauncher
from ambs_hpc.simulate.faults.fault_kinds import FaultKind
from ambs_hpc.simulate.faults.fault_machine import FaultMachine
from ambs_hpc.simulate.faults.faulty_executor import FaultyExecutor
from ambs_hpc.simulate.faults.virtual_calls import VirtualCalls
from ambs_hpc.simulate.faults.virtual_program import ProgramKilled, VirtualProgram
from ambs_hpc.simulate.virtual_clock import SimulationOver, Timeline

SEARCH_WAIT_SECONDS, LAUNCHER_WAIT_SECONDS = 8.0, 5.0
AGAIN_SECONDS = 20.0  # mean time until a program is started again
DONE_SECONDS = 60.0  # until somebody starts a search again that had said that all is done
GRACE_SECONDS = 5.0
LONGEST_WALLTIME_SECONDS = 400.0
BY_HAND_SHARE = 0.4

Body = Callable[[VirtualProgram], None]


class ProgramLines:
    """The programs of one campaign on one machine."""

    def __init__(self, machine: FaultMachine, campaign: Campaign) -> None:
        self._machine, self._campaign = machine, campaign
        self._engine = machine.database.engine

    def keep_searching(self, timeline: Timeline) -> None:
        """One search after the other, on one login host or another."""
        machine = self._machine
        machine.enter(machine.bench_program(timeline))
        while not machine.is_over:
            host = machine.logins[machine.dice.pick(len(machine.logins))]
            self._live(machine.start_program(timeline, "search", host), self._search)
            timeline.sleep(machine.dice.seconds(AGAIN_SECONDS))

    def keep_launching(self, timeline: Timeline, index: int) -> None:
        """One launcher after the other: by hand on this line's login host, or in an allocation."""
        machine, bench = self._machine, self._machine.bench_program(timeline)
        while not machine.is_over:
            machine.enter(bench)
            by_hand = machine.is_calm or machine.dice.random.random() < BY_HAND_SHARE
            hosts = [machine.logins[index % len(machine.logins)]] if by_hand else machine.nodes
            host = hosts[machine.dice.pick(len(hosts))]
            program = machine.start_program(timeline, "launcher", host, in_allocation=not by_hand)
            self._live(program, self._launch)
            timeline.sleep(machine.dice.seconds(AGAIN_SECONDS))

    def intervene(self, timeline: Timeline) -> None:
        """A person cancels some evaluations and reruns others, now and then."""
        machine, bench = self._machine, self._machine.bench_program(timeline)
        while not machine.is_over:
            machine.enter(bench)
            timeline.sleep(machine.dice.seconds(machine.settings.intervention_seconds))
            for kind, body in ((FaultKind.CANCEL, self._cancel), (FaultKind.RERUN, self._rerun)):
                machine.enter(bench)
                if machine.dice.happens(kind, 0.5):
                    self._live(machine.start_program(timeline, "person", machine.logins[0]), body)

    def _live(self, program: VirtualProgram, body: Body) -> None:
        """Run a program to its end, however it ends."""
        machine = self._machine
        machine.enter(program)
        try:
            body(program)
        except SimulationOver:
            raise
        except (ProgramKilled, DatabaseUnreachable, DatabaseLocked, CampaignConflict):
            pass  # the last three tell their person why they end
        except NotFound as error:
            if not machine.went_back:
                machine.note_crash(program, error)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what we look for
            machine.note_crash(program, error)
        finally:
            machine.end(program)
            machine.enter(machine.bench_program(program.timeline))

    def _search(self, program: VirtualProgram) -> None:
        machine = self._machine
        loop = SearchLoop(self._engine, self._campaign, None, program.clock)
        loop.open()
        while not machine.is_over:
            if loop.step().is_complete:
                machine.completions.append(machine.now())
                loop.close()
                program.clock.sleep(DONE_SECONDS)
                return
            program.clock.sleep(SEARCH_WAIT_SECONDS)
        loop.close()

    def _launch(self, program: VirtualProgram) -> None:
        machine, settings, clock = self._machine, self._machine.settings, program.clock
        who = program.identity
        new = NewLauncher(who.host, who.pid, who.started, settings.slots, program.allocation_id)
        with transaction(self._engine) as connection:
            program.launcher_id = register_launcher(connection, new)
        executor = FaultyExecutor(program, settings.slots, machine.dice, machine.disk)
        machine.executors[program] = executor
        calls = VirtualCalls(machine, program) if settings.calls_beside else None
        only = [self._campaign.id]
        loop = LauncherLoop(
            *(self._engine, program.launcher_id, executor, clock),
            only=only,
            calls=calls,
            introduction=new,
        )
        walltime = float(machine.dice.random.uniform(60.0, LONGEST_WALLTIME_SECONDS))
        loop.deadline = clock.monotonic() + walltime
        loop.bounds = run_time_bounds(walltime)
        while not machine.is_over and clock.monotonic() < loop.deadline:
            loop.step(LAUNCHER_WAIT_SECONDS)
        self._wind_up(program, loop, executor)

    def _wind_up(self, program: VirtualProgram, loop: LauncherLoop, executor: FaultyExecutor) -> None:
        """As a launcher does at its time limit."""
        clock = program.clock
        loop.stop(GRACE_SECONDS)
        quiet_since = clock.monotonic() + GRACE_SECONDS
        while not loop.is_idle and clock.monotonic() - quiet_since < REPORT_SECONDS:
            loop.step(LAUNCHER_WAIT_SECONDS)
        executor.close()
        program.said_end_at = clock.monotonic()
        loop.say_end("time limit")

    def _cancel(self, program: VirtualProgram) -> None:
        with reading(self._engine) as connection:
            ids = self._some(list(connection.execute(select(evaluation.c.id)).scalars()))
        with transaction(self._engine) as connection:
            cancel(connection, ids=ids)

    def _rerun(self, program: VirtualProgram) -> None:
        with reading(self._engine) as connection:
            ids = self._some(list(connection.execute(select(evaluation.c.id)).scalars()))
        with transaction(self._engine) as connection:
            rerun(connection, ids=ids)

    def _some(self, ids: list[int]) -> list[int]:
        share = self._machine.settings.intervention_share
        return [one for one in ids if self._machine.dice.random.random() < share]
