"""Faults that come by themselves: programs die and stop, clocks step, the database goes away or back."""

from __future__ import annotations

from collections.abc import Callable

from ambs_hpc.simulate.faults.fault_kinds import CLOCK_STEPS_SECONDS, SCHEDULED, FaultKind
from ambs_hpc.simulate.faults.fault_machine import FaultMachine
from ambs_hpc.simulate.virtual_clock import Timeline

PAUSE_SECONDS, AWAY_SECONDS = 90.0, 40.0  # means


class FaultSchedule:
    """Draws one fault after the other until it is calm."""

    def __init__(self, machine: FaultMachine) -> None:
        self._machine, self._dice = machine, machine.dice
        self._faults: dict[FaultKind, Callable[[], bool]] = {
            FaultKind.KILL: lambda: self._kill(with_evaluations=True),
            FaultKind.KILL_ALONE: lambda: self._kill(with_evaluations=False),
            FaultKind.PAUSE: self._pause,
            FaultKind.CLOCK_STEP: self._step_clock,
            FaultKind.DATABASE_CLOCK_BACK: self._set_database_clock_back,
            FaultKind.ALLOCATION_VANISHES: self._end_allocation,
            FaultKind.DATABASE_AWAY: self._take_database_away,
            FaultKind.TOLD_EARLY: self._forget_allocation,
        }

    def run(self, timeline: Timeline) -> None:
        """Inject faults at random moments."""
        machine, settings = self._machine, self._machine.settings
        machine.enter(machine.bench_program(timeline))
        kinds = [kind for kind in SCHEDULED if kind in settings.kinds]
        while kinds:
            timeline.sleep(self._dice.seconds(settings.seconds_between))
            if machine.is_calm:
                return
            kind = kinds[self._dice.pick(len(kinds))]
            if self._faults[kind]():
                self._dice.injected[kind] += 1

    def go_back_once(self, timeline: Timeline) -> None:
        """Restore a copy of the database that is some minutes old, and start the searches again."""
        machine, settings = self._machine, self._machine.settings
        machine.enter(machine.bench_program(timeline))
        first, second = sorted(self._dice.random.uniform(0.0, settings.faulty_seconds, 2))
        timeline.sleep(float(first))
        copy = machine.database.copy()
        timeline.sleep(float(second - first))
        machine.database.go_back(copy)
        copy.close()
        machine.went_back = True
        self._dice.injected[FaultKind.DATABASE_BACK] += 1
        for one in machine.living("search"):
            machine.kill(one, with_evaluations=False)

    def _kill(self, *, with_evaluations: bool) -> bool:
        living = self._machine.living()
        if not living:
            return False
        chosen = living[self._dice.pick(len(living))]
        self._machine.kill(chosen, with_evaluations=with_evaluations)
        return True

    def _pause(self) -> bool:
        living = self._machine.living()
        if not living:
            return False
        chosen = living[self._dice.pick(len(living))]
        chosen.stop_until(self._machine.now() + self._dice.seconds(PAUSE_SECONDS))
        return True

    def _step_clock(self) -> bool:
        step = CLOCK_STEPS_SECONDS[self._dice.pick(len(CLOCK_STEPS_SECONDS))]
        hosts = [*self._machine.logins, *self._machine.nodes]
        chosen = self._dice.pick(len(hosts) + 1)
        if chosen == len(hosts):
            self._machine.database.clock.offset_seconds += abs(step)
        else:
            hosts[chosen].clock_offset_seconds += step
        return True

    def _set_database_clock_back(self) -> bool:
        self._machine.database.clock.offset_seconds -= CLOCK_STEPS_SECONDS[-1]
        return True

    def _end_allocation(self) -> bool:
        inside = [one for one in self._machine.living("launcher") if one.allocation_id is not None]
        if not inside:
            return False
        self._machine.kill(inside[self._dice.pick(len(inside))], with_evaluations=True)
        return True

    def _forget_allocation(self) -> bool:
        inside = [one for one in self._machine.living("launcher") if one.allocation_id is not None]
        if not inside:
            return False
        chosen = inside[self._dice.pick(len(inside))]
        self._machine.scheduler.forget(self._machine.scheduler_ids[chosen])
        return True

    def _take_database_away(self) -> bool:
        until = self._machine.now() + self._dice.seconds(AWAY_SECONDS)
        self._machine.database.away_until = max(self._machine.database.away_until, until)
        return True
