"""What a dead launcher held comes back, by its files or by its allocation's end, and not before."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ambs_hpc.clock import ManualClock
from ambs_hpc.identity import pid_namespace
from ambs_hpc.launcher import recovery
from ambs_hpc.launcher.campaigns import Campaigns
from ambs_hpc.launcher.database_calls import CallsAtOnce
from ambs_hpc.launcher.exchange import LauncherDatabase
from ambs_hpc.launcher.executors.balsam import files
from ambs_hpc.launcher.paths import attempt_folder
from ambs_hpc.launcher.recovery import SchedulerWatch, evidence, recover_and_sweep
from ambs_hpc.launcher.supervisor.messages import AttemptReport, to_json
from ambs_hpc.launcher.supervisor.process_tree import TOKEN_VARIABLE
from ambs_hpc.launcher.supervisor.progress.report_lines import REPORTS
from ambs_hpc.queue import (
    Evidence,
    NewReport,
    add_reports,
    claim,
    list_evaluations,
    note_allocation_state,
    note_submitted,
    prepare_allocation,
    reports_of,
    transaction,
)
from ambs_hpc.records import Claim, Launcher, NewLauncher
from ambs_hpc.states import State
from ambs_hpc.timing import HAND_STARTED_SILENCE_SECONDS, SURVIVOR_SILENCE_SECONDS
from tests.queue import stock

STALE_AFTER_SECONDS = 60.0
HOUR = 3600.0
NO_PID = 2**22 + 1  # more than the kernel gives


class Scene:
    """An evaluation that a launcher on another host holds, inside an allocation."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.clock = ManualClock()
        self.engine = engine.execution_options(clock=self.clock)
        self.folder = folder
        with transaction(self.engine) as connection:
            campaign = stock.campaign(connection, run_directory=str(folder / "runs"))
            stock.evaluations(connection, campaign.id, 1)
            request = {"nodes": 1, "minutes": 60, "folder": str(folder), "name": "ambs-gone"}
            # A scheduler that is not there: what it says is what a test writes into the database.
            self.allocation = prepare_allocation(connection, "elsewhere", "pbs", request)
            note_submitted(connection, self.allocation, "7.server")
            launcher = stock.launcher(connection, host="elsewhere", allocation_id=self.allocation)
            (self.claim,) = claim(connection, launcher, 1)

    def later(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        recover_and_sweep(self.engine, STALE_AFTER_SECONDS)

    def state(self) -> State:
        with transaction(self.engine) as connection:
            (row,) = list_evaluations(connection, self.claim.campaign_id)
        return row.state


@pytest.fixture
def scene(any_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setenv("PATH", str(tmp_path))  # no scheduler answers here
    return Scene(any_engine, tmp_path)


def test_silence_alone_changes_nothing(scene: Scene) -> None:
    """A launcher that lost the database works on; a scheduler that cannot be asked is no proof."""
    scene.later(HOUR)
    assert scene.state() is State.RUNNING


def test_end_of_the_allocation_gives_its_evaluations_back(scene: Scene) -> None:
    """Late, and the scheduler has said that it is over."""
    with transaction(scene.engine) as connection:
        note_allocation_state(connection, scene.allocation, "ENDED", detail="TIMEOUT")
    scene.later(STALE_AFTER_SECONDS / 2)
    assert scene.state() is State.RUNNING
    scene.later(STALE_AFTER_SECONDS)
    assert scene.state() is State.READY


def test_schedulers_are_asked_beside_the_loop_and_politely(scene: Scene) -> None:
    """Only about late launchers, and rarely while nobody answers."""
    watch = SchedulerWatch(scene.engine, STALE_AFTER_SECONDS)
    asked: list[float] = []

    def look(now: float) -> None:
        before = watch.backoff.asked_at
        watch.look(now)
        watch.join()
        if watch.backoff.asked_at != before:
            asked.append(now)

    look(0.0)
    scene.clock.sleep(HOUR)
    for now in range(10, 500, 10):
        look(float(now))
    assert asked == [10.0, 100.0, 280.0]
    assert scene.state() is State.RUNNING


def test_an_answer_that_nobody_understands_is_none(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the scheduler is asked again at once, a hundred times a minute, by every launcher."""

    def refresh(*_: object) -> object:
        raise ValueError("Cobalt's ids are numbers")

    monkeypatch.setattr(recovery, "refresh", refresh)
    watch = SchedulerWatch(scene.engine, STALE_AFTER_SECONDS)
    scene.clock.sleep(HOUR)
    for now in (10.0, 20.0):
        watch.look(now)
        watch.join()
    assert (watch.backoff.asked_at, watch.backoff.failures) == (10.0, 1)


@pytest.mark.parametrize("is_its_own", [True, False], ids=["its own", "of an earlier timeline"])
def test_result_on_disk_counts(scene: Scene, *, is_its_own: bool) -> None:
    """The attempt ended, and its launcher died before it could say so.

    A database that goes back to an older copy gives the same numbers again, to other attempts.
    """
    with transaction(scene.engine) as connection:
        note_allocation_state(connection, scene.allocation, "VANISHED")
    token = scene.claim.token if is_its_own else f"of-an-earlier-claim.{scene.claim.id}"
    leave_outcome(scene.claim, scene.folder / "runs", token)
    scene.later(HOUR)
    assert scene.state() is (State.DONE if is_its_own else State.READY)


def test_reports_on_disk_are_stored_before_the_next_attempt(scene: Scene) -> None:
    """The launcher died with what it had gathered; decisions about the evaluation rest on its curve."""
    with transaction(scene.engine) as connection:
        note_allocation_state(connection, scene.allocation, "VANISHED")
        add_reports(connection, [NewReport(scene.claim.id, 1, scene.claim.token, 1, 0.5, 1.7e9)])
    folder = Path(attempt_folder(str(scene.folder / "runs"), scene.claim.ordinal, scene.claim.attempt))
    folder.mkdir(parents=True)
    lines = (f'{{"step": {step}, "objective": {step / 2}}}\n' for step in (1, 2, 3))
    (folder / REPORTS).write_text("".join(lines) + '{"step": 4, "objec')
    scene.later(HOUR)
    assert scene.state() is State.READY
    with transaction(scene.engine) as connection:
        curve = [(one.step, one.objective) for one in reports_of(connection, scene.claim.id)]
    assert curve == [(1, 0.5), (2, 1.0), (3, 1.5)]


def test_files_of_many_evaluations_are_read_in_turns(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a slow file system a launcher that reads a thousand at once would be taken for dead meanwhile.

    Nothing goes back to the queue whose files were not looked at: its result may lie there.
    """
    with transaction(scene.engine) as connection:
        stock.evaluations(connection, scene.claim.campaign_id, 2, first=1)
        launcher = stock.launcher(connection, host="elsewhere", allocation_id=scene.allocation)
        _, last = claim(connection, launcher, 2)
        note_allocation_state(connection, scene.allocation, "VANISHED")
    leave_outcome(last, scene.folder / "runs", last.token)
    monkeypatch.setattr(recovery, "HARVEST_SECONDS", 0.0)
    scene.clock.sleep(HOUR)
    seen = []
    for _ in range(3):
        recover_and_sweep(scene.engine, STALE_AFTER_SECONDS)
        with transaction(scene.engine) as connection:
            rows = list_evaluations(connection, scene.claim.campaign_id)
        seen.append([row.state for row in sorted(rows, key=lambda row: row.id)])
    ready, running, done = State.READY, State.RUNNING, State.DONE
    assert seen == [[ready, running, running], [ready, ready, running], [ready, ready, done]]


def test_survivors_have_their_turns(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are held until they end: the last of many would else never be looked at by a slow file system."""
    with transaction(scene.engine) as connection:
        stock.evaluations(connection, scene.claim.campaign_id, 3, first=1)
        dead = {"host": socket.gethostname(), "pid": NO_PID, "survives_in": "balsam theta"}
        last = claim(connection, stock.launcher(connection, **dead), 3)[-1]
    leave_outcome(last, scene.folder / "runs", last.token)
    monkeypatch.setattr(recovery, "HARVEST_SECONDS", 0.0)
    database = LauncherDatabase(scene.engine, 1, Campaigns(None, scene.clock), CallsAtOnce())
    seen = []
    for _ in range(4):
        database.begin_sweep(scene.clock.now()).result()
        with transaction(scene.engine) as connection:
            rows = list_evaluations(connection, scene.claim.campaign_id)
        seen.append({row.id: row.state for row in rows}[last.id])
    assert seen == [State.RUNNING, State.RUNNING, State.DONE, State.DONE]


def test_what_a_dead_launcher_left_running_ends_before_its_successor_begins(scene: Scene) -> None:
    """Two attempts of one evaluation would share its checkpoints and its GPU."""
    with transaction(scene.engine) as connection:
        note_allocation_state(connection, scene.allocation, "VANISHED")
    tokens = (scene.claim.token, "of-another-claim.1")
    its_own, other = (
        subprocess.Popen(["/bin/sleep", "600"], env={**os.environ, TOKEN_VARIABLE: token}) for token in tokens
    )
    try:
        scene.later(HOUR)
        assert scene.state() is State.READY
        assert its_own.wait(10) == -signal.SIGKILL
        assert other.poll() is None
    finally:
        other.kill()
        its_own.kill()
        other.wait()


def launcher_of(host: str, namespace: str = "", silent_seconds: float = 0.0, **fields: object) -> Launcher:
    identity = NewLauncher(host, NO_PID, 1, 2, namespace=namespace, **fields)  # type: ignore[arg-type]
    return Launcher(1, identity, silent_seconds, ended=False)


def test_a_pid_means_something_in_its_own_namespace_only() -> None:
    """Two containers of one host name took each other for dead, and swept each other for ever."""
    here = socket.gethostname()
    assert evidence(launcher_of(here, pid_namespace()), {}) is Evidence.GONE_FOR_CERTAIN
    assert evidence(launcher_of(here, "of another"), {}) is Evidence.UNKNOWN


def test_a_launcher_by_hand_is_given_up_after_long_silence() -> None:
    """Nobody can be asked about it; in an allocation the scheduler is, and Balsam's evaluations run on."""
    nearly, over = HAND_STARTED_SILENCE_SECONDS - 1.0, HAND_STARTED_SILENCE_SECONDS + 1.0
    assert evidence(launcher_of("elsewhere", silent_seconds=nearly), {}) is Evidence.UNKNOWN
    assert evidence(launcher_of("elsewhere", silent_seconds=over), {}) is Evidence.GONE
    in_allocation = launcher_of("elsewhere", silent_seconds=over, allocation_id=3)
    assert evidence(in_allocation, {}) is Evidence.UNKNOWN
    assert (
        evidence(launcher_of("elsewhere", silent_seconds=over, survives_in="balsam x"), {})
        is Evidence.UNKNOWN
    )


def leave_outcome(claimed: Claim, runs: Path, token: str) -> None:
    """As the evaluation's process does, atomically, before anybody is told."""
    folder = Path(attempt_folder(str(runs), claimed.ordinal, claimed.attempt))
    folder.mkdir(parents=True)
    report = AttemptReport(claimed.id, claimed.attempt, "elsewhere", 1.0, 2.0, objective=0.25, token=token)
    (folder / ".ambs-outcome.json").write_text(to_json(report))


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"attempt": 1}', "[" * 99_999, '{"id": 1, "attempt": 1, "objective": "high"}']
)
def test_broken_outcome_costs_one_evaluation(text: str, scene: Scene) -> None:
    """What lies on disk is not believed: no launcher may die of it, now or at every later start."""
    with transaction(scene.engine) as connection:
        note_allocation_state(connection, scene.allocation, "VANISHED")
    folder = Path(attempt_folder(str(scene.folder / "runs"), scene.claim.ordinal, scene.claim.attempt))
    folder.mkdir(parents=True)
    (folder / ".ambs-outcome.json").write_text(text)
    scene.later(HOUR)
    assert scene.state() is State.READY


def test_what_balsam_has_of_a_dead_launcher_is_called_off(any_engine: Engine, tmp_path: Path) -> None:
    """Not before a successor had time to come; then it must not begin beside its next attempt."""
    clock = ManualClock()
    engine = any_engine.execution_options(clock=clock)
    with transaction(engine) as connection:
        campaign = stock.campaign(connection, run_directory=str(tmp_path / "runs"))
        stock.evaluations(connection, campaign.id, 2)
        dead = {"host": socket.gethostname(), "pid": NO_PID, "survives_in": "balsam theta"}
        claims = claim(connection, stock.launcher(connection, **dead), 2)
    waits, runs = (Path(attempt_folder(str(tmp_path / "runs"), one.ordinal, one.attempt)) for one in claims)
    for folder in (waits, runs):
        folder.mkdir(parents=True)
        (folder / ".ambs-request.json").write_text("{}")
    assert files.take(str(runs), 0.0)
    assert recover_and_sweep(engine, STALE_AFTER_SECONDS) == 0
    assert files.heartbeat_at(str(waits)) is None
    clock.sleep(SURVIVOR_SILENCE_SECONDS + 1)
    assert recover_and_sweep(engine, STALE_AFTER_SECONDS) == 2
    assert not files.take(str(waits), 0.0)
    assert files.asked_to_stop(str(runs)) == 0.0
