"""One seed: a campaign under faults, from its creation to the verdict."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ambs_hpc.campaign import searcher_for
from ambs_hpc.problem import Problem
from ambs_hpc.problem.allow_list import allow, allow_runs
from ambs_hpc.queue import create_campaign, open_database, reading, transaction
from ambs_hpc.records import Campaign, NewCampaign
from ambs_hpc.simulate.faults import queue_invariants, truth_invariants
from ambs_hpc.simulate.faults.fault_kinds import FaultKind, FaultSettings
from ambs_hpc.simulate.faults.fault_machine import FaultMachine
from ambs_hpc.simulate.faults.fault_schedule import FaultSchedule
from ambs_hpc.simulate.faults.program_lines import ProgramLines
from ambs_hpc.simulate.faults.recorded_events import RecordedCampaign, digest_of, read_campaign
from ambs_hpc.simulate.faults.substitutions import substituted
from ambs_hpc.simulate.scratch_folder import scratch_folder
from ambs_hpc.simulate.spaces import box
from ambs_hpc.simulate.virtual_clock import START, Timeline

LOOK_SECONDS = 5.0  # between two looks whether all is done
END_SECONDS = 300.0  # in which programs end once it is


@dataclass(frozen=True, slots=True)
class FaultRun:
    """The result of one seed.

    Args:
        violations: what must not be, in words; empty when everything held.
        digest: of everything that was stored; the same in every run of the seed.
        injected: faults that happened, by kind.
        virtual_seconds, wall_seconds: how long it took.
        completed_after: virtual seconds from the last fault until the campaign was complete.
        events: what happened to evaluations, in words; only of a run with violations.
    """

    seed: int
    violations: list[str]
    digest: str
    injected: dict[str, int]
    commits: int
    attempts: int
    virtual_seconds: float
    wall_seconds: float
    completed_after: float | None
    events: list[str] = field(default_factory=list)


class FaultBench:
    """Runs one seed after the other in a folder in memory; the user's allow-list stays untouched."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file, self._empty = folder / "run.db", folder / "empty.db"
        # One engine for all runs: building its statements anew would take longer than most runs.
        self._engine = open_database(f"sqlite:///{self._file}")
        self._engine.dispose()  # which leaves everything in the one file
        shutil.copy(self._file, self._empty)
        definition = self._definition(FaultSettings(0))
        allow(definition.objective, definition.directory)
        allow_runs(definition.run_directory)

    def run(self, settings: FaultSettings) -> FaultRun:
        """Run one seed and check what it left."""
        began = time.perf_counter()
        shutil.copy(self._empty, self._file)
        machine = FaultMachine(settings, self._engine)
        try:
            with substituted(machine):
                return self._run(machine, began)
        finally:
            machine.database.close()

    def _run(self, machine: FaultMachine, began: float) -> FaultRun:
        settings = machine.settings
        with transaction(machine.database.engine) as connection:
            campaign = create_campaign(connection, self._definition(settings))
        bench = _add_actors(machine, campaign)
        machine.world.run(settings.faulty_seconds + settings.bound_seconds + END_SECONDS)
        with reading(machine.database.engine) as connection:
            recorded, digest = read_campaign(connection), digest_of(connection)
        violations = check(machine, campaign, recorded)
        complete = machine.completed_at
        return FaultRun(
            settings.seed,
            violations,
            digest,
            {kind.value: number for kind, number in sorted(machine.dice.injected.items())},
            machine.database.commits,
            len(machine.disk.by_token),
            bench.wakes_at - START,
            time.perf_counter() - began,
            None if complete is None else complete - START - settings.faulty_seconds,
            _story(recorded) if violations else [],
        )

    def _definition(self, settings: FaultSettings) -> NewCampaign:
        problem = Problem(
            "faults",
            box(3, -5.0, 5.0),
            "virtual:objective",
            direction="minimize",
            max_failures=settings.max_failures,
            max_interruptions=settings.max_interruptions,
        )
        return NewCampaign(
            name=problem.name,
            problem={key: value for key, value in problem.to_json().items() if key != "name"},
            objective=problem.objective_json,
            direction=problem.first_direction,
            directory=str(self._folder),
            run_directory=str(self._folder / "runs"),
            method="random",
            method_options={},
            seed=settings.seed,
            max_evaluations=settings.budget,
            max_failures=problem.max_failures,
            max_interruptions=problem.max_interruptions,
        )


@contextmanager
def fault_bench() -> Iterator[FaultBench]:
    """A bench whose folder is removed afterwards."""
    with scratch_folder() as folder:
        yield FaultBench(folder)


def check(machine: FaultMachine, campaign: Campaign, recorded: RecordedCampaign) -> list[str]:
    """Everything that is wrong after a run.

    After a database went back the machine cannot tell launchers by their ids, because these repeat: what
    follows from who held what is not checked then.
    """
    settings = machine.settings
    searcher = searcher_for(campaign.definition)
    expected = [dict(one.configuration) for one in searcher.ask(settings.budget)]
    wrong = [
        *machine.crashes,
        *queue_invariants.illegal_moves(recorded),
        *queue_invariants.wrong_owners(recorded),
        *queue_invariants.wrong_budgets(recorded, settings.max_failures, settings.max_interruptions),
        *queue_invariants.wrong_counters(recorded),
        *queue_invariants.wrong_proposals(recorded, settings.budget, expected),
        *queue_invariants.unfinished(recorded),
        *truth_invariants.wrong_results(recorded, machine),
    ]
    if not machine.went_back:
        wrong += truth_invariants.wrong_releases(recorded, machine)
    if machine.completed_at is None:
        wrong.append(f"not complete {settings.bound_seconds:.0f} s after the last fault")
    return wrong


def _add_actors(machine: FaultMachine, campaign: Campaign) -> Timeline:
    """All that happens; the timeline of the bench, which ends last."""
    lines, schedule, add = ProgramLines(machine, campaign), FaultSchedule(machine), machine.world.add
    kinds = machine.settings.kinds
    add("search", lines.keep_searching)
    for index in range(machine.settings.launchers):
        add(f"launchers {index}", partial(lines.keep_launching, index=index))
    if FaultKind.SECOND_SEARCH in kinds:
        machine.dice.injected[FaultKind.SECOND_SEARCH] += 1
        add("second search", lines.keep_searching, starts_after=30.0)
    if kinds & {FaultKind.CANCEL, FaultKind.RERUN}:
        add("person", lines.intervene)
    if FaultKind.DATABASE_BACK in kinds:
        add("restore", schedule.go_back_once)
    add("faults", schedule.run)
    return add("bench", partial(_watch, machine))


def _watch(machine: FaultMachine, timeline: Timeline) -> None:
    """End the run when the campaign is complete, or has had its time."""
    machine.enter(machine.bench_program(timeline))
    calm_at = START + machine.settings.faulty_seconds
    timeline.wait_until(calm_at)
    while timeline.now() < calm_at + machine.settings.bound_seconds:
        timeline.sleep(LOOK_SECONDS)
        with reading(machine.database.engine) as connection:
            is_complete = read_campaign(connection).is_complete
        if machine.living("person"):  # one that was stopped before it is calm may yet ask for a rerun
            continue
        if is_complete and machine.completions and machine.completions[-1] >= calm_at:
            machine.completed_at = timeline.now()
            break
    machine.is_over = True


def _story(recorded: RecordedCampaign) -> list[str]:
    return [
        json.dumps(
            [
                *(event.id, round(event.at - START, 2), event.evaluation_id, event.move, event.attempt),
                *(event.launcher_id, event.claim_token, event.failure_kind, event.detail),
            ]
        )
        for event in recorded.all_events()
    ]
