"""The loop keeps its promises to the queue, whatever the executor and the database do."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from ambs_hpc.clock import ManualClock
from ambs_hpc.errors import DatabaseUnreachable, ShapeNeverFits
from ambs_hpc.launcher import exchange as exchange_module
from ambs_hpc.launcher.database_calls import DatabaseCalls
from ambs_hpc.launcher.executors.protocol import Ended, Interrupted, Placed, Unloadable
from ambs_hpc.launcher.loop import LauncherLoop
from ambs_hpc.launcher.packing import Node, Packing
from ambs_hpc.launcher.runtime_estimate import RunTimeBounds
from ambs_hpc.launcher.supervisor.messages import StartRequest
from ambs_hpc.problem.allow_list import allow, allow_runs
from ambs_hpc.queue import (
    cancel,
    counts,
    create_campaign,
    enqueue,
    failures,
    last_launcher,
    list_evaluations,
    register_launcher,
    rerun,
    show_evaluation,
    transaction,
)
from ambs_hpc.records import (
    Claim,
    Launcher,
    NewCampaign,
    NewEvaluation,
    NewLauncher,
    Outcome,
    Proposal,
    Resources,
)
from ambs_hpc.states import Move, State
from tests.launcher.prepared import Prepared

OBJECTIVE = {"function": "model:measure", "warm": True}
ONE_CORE = Resources()


class FakeExecutor:
    """Evaluations end when a test says so; waiting moves the clock."""

    def __init__(self, clock: ManualClock, cores: int) -> None:
        self.clock, self.packing = clock, Packing([Node("n", tuple(range(cores)))])
        self.running: dict[int, Prepared] = {}
        self.slots: dict[int, object] = {}
        self.cancelled: list[int] = []
        self.ended: list[Ended] = []
        self.begun: list[Placed] = []
        self.places = True  # whether it says at once where they run

    def count(self, shape: Resources) -> int:
        return self.packing.count(shape)

    def room(self) -> Resources | None:
        return self.packing.room()

    troubles: tuple[str, ...] = ()

    def most(self, shape: Resources) -> int:
        return self.packing.most(shape)

    def capacity(self) -> Resources | None:
        return self.packing.capacity()

    def start(self, claim: Claim, request: StartRequest) -> bool:
        if self.packing.never_fits(claim.resources):
            raise ShapeNeverFits("too large")
        slot = self.packing.place(claim.resources, claim.id)
        if slot is None:
            self.packing.keep_for(claim.id, claim.resources)
            return False
        assert claim.id not in self.running
        self.running[claim.id], self.slots[claim.id] = Prepared(claim, request), slot
        if self.places:
            self.begun.append(Placed(claim.id, claim.attempt, "n"))
        return True

    def placed(self) -> list[Placed]:
        begun, self.begun = self.begun, []
        return begun

    def end(self, evaluation_id: int, *, interrupted: bool = False, seconds: float = 60.0) -> None:
        claim, slot = self.running.pop(evaluation_id).claim, self.slots.pop(evaluation_id)
        self.packing.free(slot)  # type: ignore[arg-type]
        now = self.clock.now()
        attempt = claim.attempt
        self.ended.append(
            Interrupted(evaluation_id, attempt, "stopped")
            if interrupted
            else Outcome(evaluation_id, attempt, claim.token, now - seconds, now, "n", objective=1.0)
        )

    def poll(self, timeout_seconds: float) -> list[Ended]:
        ended, self.ended = self.ended, []
        if not ended:
            self.clock.sleep(timeout_seconds)
        return ended

    def cancel(self, ids: Collection[int], grace_seconds: float) -> None:
        self.cancelled += ids

    def close(self) -> None:
        self.running.clear()


class Stage:
    """One campaign on one database."""

    def __init__(self, engine: Engine, folder: Path, number: int, shape: Resources = ONE_CORE) -> None:
        allow(OBJECTIVE, str(folder))
        allow_runs(f"{folder}/runs")
        self.engine, self.clock = engine, ManualClock()
        with transaction(engine) as connection:
            new = NewCampaign(
                "c", {}, OBJECTIVE, "minimize", str(folder), str(folder / "runs"), "random", {}, 0, 9, 1, 3
            )
            self.campaign_id = create_campaign(connection, new).id
            self.ids = enqueue(
                connection,
                self.campaign_id,
                [NewEvaluation(index, Proposal({"x": 1.0}, "random"), shape) for index in range(number)],
            )

    def launcher(
        self, cores: int = 2, calls: DatabaseCalls | None = None
    ) -> tuple[LauncherLoop, FakeExecutor]:
        executor = FakeExecutor(self.clock, cores)
        # A host of its own, so that nobody takes it for a dead process of this one.
        introduction = NewLauncher("elsewhere", 1, 1, cores)
        with transaction(self.engine) as connection:
            launcher_id = register_launcher(connection, introduction)
        only = [self.campaign_id]
        loop = LauncherLoop(
            *(self.engine, launcher_id, executor, self.clock),
            only=only,
            calls=calls,
            introduction=introduction,
        )
        return loop, executor

    def states(self) -> dict[State, int]:
        with transaction(self.engine) as connection:
            return {
                state: n
                for state, n in counts(connection, self.campaign_id).items()
                if n and isinstance(state, State)
            }


@pytest.fixture(autouse=True)
def _own_allow_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMBS_CONFIG_DIR", str(tmp_path / "config"))


def rounds(loop: LauncherLoop, number: int = 8) -> None:
    for _ in range(number):
        loop.step(0.5)


def test_everything_ends_once(any_engine: Engine, tmp_path: Path) -> None:
    """The plain course, on both databases, by two launchers."""
    stage = Stage(any_engine, tmp_path, 7)
    pairs = [stage.launcher(), stage.launcher()]
    seen: list[int] = []
    for _ in range(20):
        for loop, executor in pairs:
            rounds(loop, 2)
            for evaluation_id in list(executor.running):
                seen.append(evaluation_id)
                executor.end(evaluation_id)
    assert stage.states() == {State.DONE: 7}
    assert sorted(seen) == stage.ids
    assert all(loop.is_idle for loop, _ in pairs)


def test_what_has_no_configuration_fails_and_the_others_run(any_engine: Engine, tmp_path: Path) -> None:
    """Somebody wrote to the database: no launcher may die of it, of which each in turn would lease it."""
    stage = Stage(any_engine, tmp_path, 4)
    with transaction(any_engine) as connection:
        for number, value in zip(stage.ids[1:3], ("{}", '[{"x": 1.0}]'), strict=True):
            words = "UPDATE evaluation SET configuration = :value WHERE id = :number"
            connection.execute(text(words), {"value": value, "number": number})
    loop, executor = stage.launcher(cores=4)
    rounds(loop)
    assert sorted(executor.running) == [stage.ids[0], stage.ids[3]]
    assert stage.states() == {State.RUNNING: 2, State.FAILED: 2}
    with transaction(any_engine) as connection:
        (group,) = failures(connection, stage.campaign_id)
    assert group.signature.startswith("ValueError: nothing was run: the row of this evaluation has no conf")


def test_long_evaluations_are_never_hoarded(any_engine: Engine, tmp_path: Path) -> None:
    """What waits here could run in another allocation."""
    stage = Stage(any_engine, tmp_path, 10, Resources(cores=4))
    loop, executor = stage.launcher(cores=8)
    rounds(loop)
    assert len(executor.running) == 2
    assert stage.states() == {State.READY: 8, State.RUNNING: 2}


def test_short_evaluations_restart_without_the_database(any_engine: Engine, tmp_path: Path) -> None:
    """Their slots would else wait for a commit each."""
    stage = Stage(any_engine, tmp_path, 10)
    loop, executor = stage.launcher()
    rounds(loop)
    for evaluation_id in list(executor.running):
        executor.end(evaluation_id, seconds=0.01)
    rounds(loop, 2)
    before = set(executor.running)
    executor.end(min(before), seconds=0.01)
    loop._pace.note_away(float("inf"))  # the database does not answer
    loop.step(0.5)
    assert len(executor.running) == 2
    assert set(executor.running) != before


def test_where_an_evaluation_runs_is_told_while_it_runs(any_engine: Engine, tmp_path: Path) -> None:
    """Whoever watches a node asks for what runs there now; what another attempt left is forgotten."""
    stage = Stage(any_engine, tmp_path, 2)
    loop, executor = stage.launcher()
    rounds(loop)
    assert nodes_of(stage) == {"RUNNING": ["n", "n"]}
    for evaluation_id in list(executor.running):
        executor.end(evaluation_id, interrupted=True)
    loop.drain()
    rounds(loop)
    other, others_executor = stage.launcher()
    others_executor.places = False
    rounds(other)
    assert nodes_of(stage) == {"RUNNING": ["", ""]}
    others_executor.begun += [
        Placed(one, work.claim.attempt, "m+3") for one, work in others_executor.running.items()
    ]
    others_executor.begun.append(Placed(99, 1, "nowhere"))
    rounds(other)
    assert nodes_of(stage) == {"RUNNING": ["m+3", "m+3"]}
    with transaction(any_engine) as connection:
        events = show_evaluation(connection, stage.ids[0]).events
    assert [one.node for one in events if one.move is Move.RELEASE] == ["n"]


def test_short_evaluations_cost_no_second_word(any_engine: Engine, tmp_path: Path) -> None:
    """Their outcome says it a moment later."""
    stage = Stage(any_engine, tmp_path, 8)
    loop, executor = stage.launcher()
    rounds(loop)
    for evaluation_id in list(executor.running):
        executor.end(evaluation_id, seconds=0.01)
    loop.step(0.1)
    loop.step(0.1)
    assert len(executor.running) == 2
    assert nodes_of(stage)["RUNNING"].count("n") == 0


def nodes_of(stage: Stage) -> dict[str, list[str]]:
    """The nodes of evaluations, by state."""
    found: dict[str, list[str]] = {}
    with transaction(stage.engine) as connection:
        for row in list_evaluations(connection, stage.campaign_id):
            found.setdefault(row.state.value, []).append(row.node)
    return found


def test_results_wait_for_the_database(
    any_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was away for a while: nothing is lost, and nothing is recorded twice."""
    stage = Stage(any_engine, tmp_path, 3)
    loop, executor = stage.launcher()
    rounds(loop)
    with monkeypatch.context() as patch:

        def away(_: object) -> object:
            raise DatabaseUnreachable("gone")

        patch.setattr(exchange_module, "transaction", away)
        for evaluation_id in list(executor.running):
            executor.end(evaluation_id)
        rounds(loop, 10)
        assert not loop.is_idle
    rounds(loop, 10)
    for evaluation_id in list(executor.running):
        executor.end(evaluation_id)
    rounds(loop)
    assert stage.states() == {State.DONE: 3}
    assert loop.tally.done == 3


def test_cancelled_evaluation_is_ended(any_engine: Engine, tmp_path: Path) -> None:
    """And its rerun waits until the first attempt is really gone."""
    stage = Stage(any_engine, tmp_path, 1)
    loop, executor = stage.launcher()
    rounds(loop)
    with transaction(any_engine) as connection:
        cancel(connection, ids=stage.ids)
    rounds(loop)
    assert executor.cancelled == stage.ids
    with transaction(any_engine) as connection:
        rerun(connection, ids=stage.ids)
    rounds(loop)
    assert [work.claim.attempt for work in executor.running.values()] == [1]
    executor.end(stage.ids[0], interrupted=True)
    rounds(loop)
    assert [work.claim.attempt for work in executor.running.values()] == [2]
    executor.end(stage.ids[0])
    rounds(loop)
    assert stage.states() == {State.DONE: 1}


def test_impossible_shape_is_told(any_engine: Engine, tmp_path: Path) -> None:
    """Its evaluations go back unharmed, and the launcher has nothing left to wait for."""
    stage = Stage(any_engine, tmp_path, 2, Resources(cores=64))
    loop, _ = stage.launcher()
    rounds(loop, 10)
    assert loop.tally.refused == {"c": "too large"}
    assert loop.has_refused_all
    assert loop.is_idle
    assert stage.states() == {State.READY: 2}


def test_module_that_cannot_be_imported_consumes_nothing(any_engine: Engine, tmp_path: Path) -> None:
    """Leases go back uncounted, and no more are taken."""
    stage = Stage(any_engine, tmp_path, 3)
    loop, executor = stage.launcher()
    rounds(loop)
    executor.ended.append(Unloadable("model:measure", str(tmp_path), "No module named 'x'"))
    for evaluation_id in list(executor.running):
        executor.packing.free(executor.slots.pop(evaluation_id))  # type: ignore[arg-type]
        attempt = executor.running.pop(evaluation_id).claim.attempt
        executor.ended.append(Interrupted(evaluation_id, attempt, "cannot be imported", started=False))
    rounds(loop)
    assert stage.states() == {State.READY: 3}
    assert "No module named 'x'" in loop.tally.refused["c"]
    assert loop.has_refused_all
    assert loop.tally.interrupted == 0


def test_stopping_gives_everything_back(any_engine: Engine, tmp_path: Path) -> None:
    """What ran counts as an interruption, never as a failure."""
    stage = Stage(any_engine, tmp_path, 3)
    loop, executor = stage.launcher()
    rounds(loop)
    loop.stop(1.0)
    assert sorted(executor.cancelled) == sorted(executor.running)
    for evaluation_id in list(executor.running):
        executor.end(evaluation_id, interrupted=True)
    rounds(loop)
    assert loop.is_idle
    assert stage.states() == {State.READY: 3}
    with transaction(any_engine) as connection:
        rows = list_evaluations(connection, stage.campaign_id)
    assert all(row.failure_kind is None for row in rows)


def test_objective_of_somebody_else_is_refused(
    any_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row in a shared database must not run code that this user never registered."""
    stage = Stage(any_engine, tmp_path, 2)
    monkeypatch.setenv("AMBS_CONFIG_DIR", str(tmp_path / "another"))
    loop, executor = stage.launcher()
    rounds(loop)
    assert executor.running == {}
    assert stage.states() == {State.READY: 2}
    assert "not registered" in loop.tally.refused["c"]


def test_small_ones_do_not_starve_a_large_one(any_engine: Engine, tmp_path: Path) -> None:
    """First in the queue and never the one that fits: nodes are kept for it after a while."""
    stage = Stage(any_engine, tmp_path, 2)
    with transaction(any_engine) as connection:
        (large,) = enqueue(
            connection,
            stage.campaign_id,
            [NewEvaluation(50, Proposal({"x": 1.0}, "random"), Resources(cores=2))],
        )
        enqueue(
            connection,
            stage.campaign_id,
            [NewEvaluation(index, Proposal({"x": 1.0}, "random"), ONE_CORE) for index in range(51, 80)],
        )
    loop, executor = stage.launcher(cores=2)
    small_before = 0
    for _ in range(20):
        rounds(loop, 4)
        if large in executor.running:
            break
        executor.end(min(executor.running), seconds=5.0)  # never two at a time
        small_before += 1
    assert large in executor.running
    assert small_before <= 5


def test_nothing_starts_that_would_hardly_end(any_engine: Engine, tmp_path: Path) -> None:
    """Without a limit of its own, an evaluation is expected to take what the others took."""
    stage = Stage(any_engine, tmp_path, 40)
    loop, executor = stage.launcher(cores=1)
    loop.deadline, loop.bounds = stage.clock.monotonic() + 1000.0, RunTimeBounds(60.0)
    ended = 0
    while executor.running or not ended:
        rounds(loop)
        for evaluation_id in list(executor.running):
            stage.clock.sleep(90.0)
            executor.end(evaluation_id, seconds=90.0)
            ended += 1
        rounds(loop)
    assert 10 <= ended <= 11
    assert loop.is_out_of_time
    assert 0 < loop.deadline - stage.clock.monotonic() < 90.0
    assert stage.states() == {State.DONE: ended, State.READY: 40 - ended}


def test_what_waits_here_goes_back_when_the_end_comes_nearer(any_engine: Engine, tmp_path: Path) -> None:
    """A person shortened the walltime: what was leased ahead would be started in vain."""
    stage = Stage(any_engine, tmp_path, 8)
    loop, executor = stage.launcher()
    rounds(loop)
    for evaluation_id in list(executor.running):
        executor.end(evaluation_id, seconds=0.01)
    rounds(loop, 2)
    assert stage.states() == {State.DONE: 2, State.RUNNING: 6}
    assert len(executor.running) == 2
    loop.end_by(stage.clock.monotonic() + 20.0, 600.0)
    rounds(loop)
    assert stage.states() == {State.DONE: 2, State.RUNNING: 2, State.READY: 4}
    loop.end_by(stage.clock.monotonic() + 3600.0, 4200.0)
    for evaluation_id in list(executor.running):
        executor.end(evaluation_id, seconds=0.01)
    rounds(loop)
    assert len(executor.running) == 2


def test_next_launcher_knows_what_others_saw(any_engine: Engine, tmp_path: Path) -> None:
    """It leases one to see whose it is, and gives it back uncounted."""
    stage = Stage(any_engine, tmp_path, 20)
    loop, executor = stage.launcher(cores=12)
    rounds(loop)
    stage.clock.sleep(90.0)
    for evaluation_id in list(executor.running)[:12]:
        executor.end(evaluation_id, seconds=90.0)
    rounds(loop, 1)
    loop.stop(0.0)
    for evaluation_id in list(executor.running):
        executor.end(evaluation_id, interrupted=True)
    rounds(loop)
    late, idle = stage.launcher(cores=1)
    late.deadline, late.bounds = stage.clock.monotonic() + 80.0, RunTimeBounds(8.0)
    rounds(late)
    assert not idle.running
    assert late.tally.interrupted == 0
    assert stage.states() == {State.DONE: 12, State.READY: 8}


def test_idle_slots_are_explained(any_engine: Engine, tmp_path: Path) -> None:
    """`ambs status` tells it: nodes cost money while nothing runs on them."""
    stage = Stage(any_engine, tmp_path, 3)
    loop, executor = stage.launcher(cores=2)

    def said() -> Launcher:
        stage.clock.sleep(10.0)
        rounds(loop)
        with transaction(any_engine) as connection:
            launcher = last_launcher(connection)
        assert launcher is not None
        return launcher

    busy = said()
    assert busy.idle == ""
    assert busy.identity.slots == 2
    executor.end(stage.ids[0])
    executor.end(stage.ids[1])
    assert said().idle == "no evaluation is ready"
    executor.troubles = ("lost n2, n5",)
    assert said().idle == "lost n2, n5; no evaluation is ready"
    executor.troubles = ()
    executor.end(stage.ids[2])
    rounds(loop)
    with transaction(any_engine) as connection:
        enqueue(
            connection,
            stage.campaign_id,
            [NewEvaluation(9, Proposal({"x": 1.0}, "random"), ONE_CORE, time_limit_seconds=1e6)],
        )
    loop.deadline = stage.clock.monotonic() + 1000.0
    assert said().idle == "too little time left for what waits"
    loop.drain()
    end = said()
    assert end.idle == "draining"
    assert 0 < end.busy_seconds < 2 * stage.clock.monotonic()


def test_how_many_run_at_once_is_said_with_the_first_lease(any_engine: Engine, tmp_path: Path) -> None:
    """A search beside the launcher proposes for one slot until it hears it: the others would stay idle."""
    stage = Stage(any_engine, tmp_path, 1, Resources(cores=16))
    loop, _ = stage.launcher(cores=64)
    rounds(loop, 3)
    with transaction(any_engine) as connection:
        launcher = last_launcher(connection)
    assert launcher is not None
    assert launcher.identity.slots == 4
