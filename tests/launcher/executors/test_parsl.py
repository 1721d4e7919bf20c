"""The same rules in a pool of Parsl's workers: slots, limits, deaths, and nothing left behind."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from zmq import POLLOUT

from ambs_hpc.errors import ShapeNeverFits, UsageError
from ambs_hpc.identity import start_time, this_process
from ambs_hpc.launcher.executors import node_health, registry
from ambs_hpc.launcher.executors.attempt_ends import BLAMED
from ambs_hpc.launcher.executors.node_log import NodeLog
from ambs_hpc.launcher.executors.parsl import executor as parsl_executor
from ambs_hpc.launcher.executors.parsl import pool as parsl_pool
from ambs_hpc.launcher.executors.parsl.executor import ParslExecutor
from ambs_hpc.launcher.executors.parsl.node_main import own_name
from ambs_hpc.launcher.executors.parsl.worker import POOL_VARIABLE
from ambs_hpc.launcher.executors.protocol import Ended, Interrupted, Placed, Unloadable
from ambs_hpc.launcher.executors.report_log import ReportLog
from ambs_hpc.launcher.node_pool import NodePool, Tenancy
from ambs_hpc.launcher.packing import Node, Packing
from ambs_hpc.launcher.supervisor import process_tree
from ambs_hpc.launcher.supervisor.messages import AttemptReport, StartRequest, SupervisorDied
from ambs_hpc.launcher.supervisor.outcome import not_begun, write_outcome
from ambs_hpc.launcher.supervisor.probes.node_lock import claim_of
from ambs_hpc.launcher.supervisor.progress.report_lines import REPORTS
from ambs_hpc.records import Claim, Outcome, Resources
from ambs_hpc.schedulers.cobalt import Cobalt
from ambs_hpc.states import FailureKind
from tests.databases import wait_until
from tests.launcher.prepared import Prepared, prepared

MODULE = """
import os, time
def environment(configuration):
    variables = {k: v for k, v in os.environ.items() if "DEVICES" in k or k == "OMP_NUM_THREADS"}
    time.sleep(0.3)
    return {"objective": 1, "cores": sorted(os.sched_getaffinity(0)), "cwd": os.getcwd(),
            "variables": variables, "parent": os.getppid(), "password": os.environ.get("AMBS_DB")}
def in_pairs(configuration):
    open(f"../met-{os.getpid()}", "w").close()
    while sum(name.startswith("met-") for name in os.listdir("..")) < 2: time.sleep(0.05)
    return environment(configuration)
def fails(configuration):
    raise ValueError("too steep")
def reports(configuration):
    from ambs_hpc import report
    report(1, 0.5)
    while not os.path.exists("../go"): time.sleep(0.05)
    report(2, 0.75)
    return 1.0
def pid(configuration):
    with open("pid", "w") as file: file.write(str(os.getpid()))
    time.sleep(600)
def kills_its_nest(configuration):
    parent = os.getppid()
    os.kill(int(open(f"/proc/{parent}/stat").read().rpartition(")")[2].split()[1]), 9)
    time.sleep(600)
def long(configuration):
    return {"objective": 1, "curve": [0.5] * 200_000}
"""
CORES = sorted(os.sched_getaffinity(0))[:2]
NODE = Node("here", (CORES[0], CORES[-1]), ("4", "7"), 64.0)
ONE_GPU = Resources(gpus=1)
WAIT_SECONDS = 40


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsl_pool, "HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr(parsl_pool, "SILENCE_SECONDS", 3)
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", "0,1,2,3")
    monkeypatch.setenv("AMBS_DB", "postgresql://me:secret@host/db")


@pytest.fixture
def executor(tmp_path: Path) -> Iterator[ParslExecutor]:
    made = make(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ParslExecutor]:
    """One pool for the rules that do it no harm: each costs seconds to come up."""
    made = make(tmp_path_factory.mktemp("shared"))
    yield made
    made.close()


def make(folder: Path) -> ParslExecutor:
    node_pool = NodePool((NODE,), "CUDA_VISIBLE_DEVICES")
    return ParslExecutor(Packing([NODE]), node_pool, 0.5, folder / "run folder", report_log=ReportLog())


def work(
    folder: Path,
    number: int = 1,
    arguments: list[str] | None = None,
    function: str | None = None,
    resources: Resources = ONE_GPU,
    limit: float | None = None,
) -> Prepared:
    (folder / "pooled_module.py").write_text(MODULE)
    claim = Claim(number, 1, "c", number, 1, f"token.{number}", {"x": 1.0}, resources, limit)
    attempt = folder / f"attempt-{number}"
    environment = {"AMBS_RESULT": str(attempt / ".ambs-result.json")}
    named = f"pooled_module:{function}" if function else None
    return prepared(claim, arguments, named, str(folder), str(attempt), environment)


def ended(executor: ParslExecutor, number: int = 1) -> list[Ended]:
    found: list[Ended] = []
    wait_until(lambda: found.extend(executor.poll(0.05)) or len(found) >= number, WAIT_SECONDS)
    assert len(found) == number, found
    return sorted(found, key=lambda one: 0 if isinstance(one, Unloadable) else one.id)


def outcome(executor: ParslExecutor) -> Outcome:
    (said,) = ended(executor)
    assert isinstance(said, Outcome)
    return said


def shell(text: str) -> list[str]:
    return ["sh", "-c", text]


def test_reports_come_while_their_evaluation_runs(shared: ParslExecutor, tmp_path: Path) -> None:
    """Over the pool's files; those of its last moments come with its end, from its own."""
    log = shared._report_log
    (one, request) = work(tmp_path, function="reports")
    environment = {**request.environment, "AMBS_REPORTS": f"{request.folder}/{REPORTS}"}
    assert shared.start(one, replace(request, environment=environment))
    wait_until(lambda: shared.poll(0.05) or log.due(), WAIT_SECONDS)
    assert [(each.token, each.step) for each in log.due()] == [(one.token, 1)]
    (tmp_path / "go").touch()
    assert outcome(shared).objective == 1.0
    assert {each.step for each in log.due()} == {1, 2}
    log.forget(log.due())


def pid_of(folder: Path, number: int = 1) -> int:
    file = folder / f"attempt-{number}" / "pid"
    wait_until(lambda: file.exists() and file.read_text(), WAIT_SECONDS)
    return int(file.read_text())


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def is_gone(pid: int) -> bool:
    return start_time(pid) is None


def marked(mark: str) -> list[int]:
    """Living processes that carry `mark` in their environment."""
    wanted = mark.encode()
    return [
        pid
        for pid in process_tree.all_processes()
        if any(wanted in entry for entry in process_tree.environment_of(pid)) and start_time(pid)
    ]


def test_workers_have_slots_of_their_own(shared: ParslExecutor, tmp_path: Path) -> None:
    """Different cores and GPUs, exactly one GPU variable, and no password of ours."""
    for number in (1, 2):
        assert shared.start(*work(tmp_path, number, function="in_pairs"))
    assert not shared.start(*work(tmp_path, 3, function="in_pairs"))
    assert shared.count(ONE_GPU) == 0
    said = [one for one in ended(shared, 2) if isinstance(one, Outcome)]
    assert [one.objective for one in said] == [1.0, 1.0]
    assert sorted(tuple(one.metrics["cores"]) for one in said) == [(core,) for core in CORES]  # type: ignore[arg-type]
    told = sorted(str(one.metrics["variables"]) for one in said)
    assert told == [str({"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": gpu}) for gpu in ("4", "7")]
    assert [one.metrics["password"] for one in said] == [None, None]
    assert {one.node for one in said} == {"here"}
    assert said[0].metrics["cwd"] == str(tmp_path / "attempt-1")


def test_templates_stay_warm(shared: ParslExecutor, tmp_path: Path) -> None:
    """Evaluations of one worker are forked from the same process."""
    parents = set()
    for number in range(1, 7):
        shared.start(*work(tmp_path, number, function="environment"))
        parents.add(outcome(shared).metrics["parent"])
    assert len(parents) <= 2


def test_commands_run_too(shared: ParslExecutor, tmp_path: Path) -> None:
    """In the attempt's folder, bound to the slot's cores, with its GPU."""
    text = 'taskset -cp $$ >&2; env >&2; echo "AMBS-RESULT: 2"'
    shared.start(*work(tmp_path, arguments=shell(text)))
    assert outcome(shared).objective == 2.0
    stderr = (tmp_path / "attempt-1" / "stderr").read_text()
    assert any(f"affinity list: {core}\n" in stderr for core in CORES)
    assert "CUDA_VISIBLE_DEVICES=" in stderr
    assert "HIP_VISIBLE_DEVICES" not in stderr
    assert "secret" not in stderr


def test_failures_have_their_kinds(shared: ParslExecutor, tmp_path: Path) -> None:
    """Classified by the same code as everywhere."""
    shared.start(*work(tmp_path, 1, function="fails"))
    said = outcome(shared)
    assert said.failure is FailureKind.ERROR
    assert "too steep" in said.error
    shared.start(*work(tmp_path, 2, ["/no/such/program"]))
    said = outcome(shared)
    assert said.failure is FailureKind.ERROR
    assert "/no/such/program" in said.error
    shared.start(*work(tmp_path, 3, ["true"]))
    assert outcome(shared).failure is FailureKind.BAD_RESULT


def test_time_limit_terms_then_kills(shared: ParslExecutor, tmp_path: Path) -> None:
    """Kept by the supervisor on the worker's node."""
    text = "trap 'echo got TERM >&2' TERM; while :; do sleep 0.1; done"
    shared.start(*work(tmp_path, arguments=shell(text), limit=0.5))
    said = outcome(shared)
    assert said.failure is FailureKind.TIMEOUT
    assert "got TERM" in said.error
    assert 0.9 < said.finished_at - said.started_at < 5


def test_cancelled_evaluation_is_an_interruption(shared: ParslExecutor, tmp_path: Path) -> None:
    """The pool's workers hear of it, and the other evaluation goes on, where it is said to run."""
    for number in (11, 12):
        shared.start(*work(tmp_path, number, function="pid"))
    gone, stays = pid_of(tmp_path, 11), pid_of(tmp_path, 12)
    places: list[Placed] = []
    wait_until(lambda: places.extend(shared.placed()) or len(places) >= 2, WAIT_SECONDS)
    assert sorted(places, key=lambda one: one.id)[-2:] == [Placed(11, 1, "here"), Placed(12, 1, "here")]
    shared.cancel([11], grace_seconds=1.0)
    assert ended(shared) == [Interrupted(11, 1, "stopped")]
    assert is_gone(gone)
    assert not is_gone(stays)
    shared.cancel([12], grace_seconds=1.0)
    assert ended(shared) == [Interrupted(12, 1, "stopped")]


def test_second_cancellation_is_heard(shared: ParslExecutor, tmp_path: Path) -> None:
    """Who asks again has no more patience."""
    text = "trap '' TERM; echo on > pid; while :; do sleep 0.1; done"
    shared.start(*work(tmp_path, 13, arguments=shell(text)))
    wait_until(lambda: (tmp_path / "attempt-13" / "pid").exists(), WAIT_SECONDS)
    shared.cancel([13], grace_seconds=600.0)
    shared.cancel([13], grace_seconds=0.0)
    assert ended(shared) == [Interrupted(13, 1, "stopped")]


def test_module_that_cannot_be_imported_consumes_nothing(shared: ParslExecutor, tmp_path: Path) -> None:
    """It is told, and the evaluation is given back as never started."""
    one = work(tmp_path, function="absent")
    (tmp_path / "broken_module.py").write_text("import no_such_library\n")
    shared.start(one.claim, replace(one.request, function="broken_module:f"))
    first, second = ended(shared, 2)
    assert isinstance(first, Unloadable)
    assert "No module named 'no_such_library'" in first.error
    assert second == Interrupted(1, 1, "its module cannot be imported", started=False)


def test_long_metrics_are_told(shared: ParslExecutor, tmp_path: Path) -> None:
    """They come from disk."""
    shared.start(*work(tmp_path, function="long"))
    assert outcome(shared).metrics == {"curve": [0.5] * 200_000}


def test_culprit_is_told(shared: ParslExecutor, tmp_path: Path) -> None:
    """An evaluation that kills what supervises it is interrupted once, and then has failed."""
    shared.start(*work(tmp_path, function="kills_its_nest"))
    assert ended(shared) == [Interrupted(1, 1, "supervising process died")]
    shared.start(*work(tmp_path, function="kills_its_nest"))
    said = outcome(shared)
    assert (said.failure, said.error) == (FailureKind.ERROR, BLAMED)
    shared.start(*work(tmp_path, 2, ["echo", "AMBS-RESULT: 1"]))
    assert outcome(shared).objective == 1.0


def test_smaller_shapes_get_what_they_ask_for(shared: ParslExecutor, tmp_path: Path) -> None:
    """A slot may be larger; its GPU stays hidden from who did not ask for one."""
    shared.start(*work(tmp_path, function="environment", resources=Resources()))
    variables = outcome(shared).metrics["variables"]
    assert variables == {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


@pytest.mark.parametrize(
    "shape",
    [Resources(gpus=3), Resources(cores=3), Resources(nodes=2), Resources(ranks_per_node=2)],
    ids=["gpus", "cores", "nodes", "ranks"],
)
def test_impossible_shape_is_told(shape: Resources, shared: ParslExecutor, tmp_path: Path) -> None:
    """With the way out; nothing waits for ever."""
    with pytest.raises(ShapeNeverFits, match="--executor process"):
        shared.start(*work(tmp_path, arguments=["true"], resources=shape))


def test_idle_pool_is_made_anew_for_a_larger_shape(executor: ParslExecutor, tmp_path: Path) -> None:
    """It would wait for ever behind slots that are too small."""
    executor.start(*work(tmp_path, 1, ["echo", "AMBS-RESULT: 1"]))
    assert not executor.start(*work(tmp_path, 2, ["true"], resources=Resources(cores=2, gpus=2)))
    assert outcome(executor).objective == 1.0
    told = shell("echo AMBS-RESULT: 2; echo $CUDA_VISIBLE_DEVICES >&2")
    assert executor.start(*work(tmp_path, 2, told, resources=Resources(cores=2, gpus=2)))
    assert outcome(executor).objective == 2.0
    assert (tmp_path / "attempt-2" / "stderr").read_text() == "4,7\n"


def worker_of(pid: int) -> int:
    """Of Parsl, above the evaluation, its template and its supervisor."""
    return parent_of(parent_of(parent_of(pid)))


@pytest.mark.parametrize("victim", ["worker", "manager", "supervisor", "interchange"])
def test_killed_process_of_the_pool_costs_interruptions(
    victim: str, executor: ParslExecutor, tmp_path: Path
) -> None:
    """What ran there is given back, nothing of it stays, and the next evaluation runs."""
    for number in (1, 2):
        executor.start(*work(tmp_path, number, function="pid"))
    pids = [pid_of(tmp_path, number) for number in (1, 2)]
    worker = worker_of(pids[0])
    manager = parent_of(worker)
    victims = {"worker": worker, "manager": manager, "supervisor": parent_of(manager)}
    assert executor._pool is not None
    interchange = executor._pool._htex.interchange_proc.pid
    os.kill(victims.get(victim, interchange), signal.SIGKILL)
    said = ended(executor, 1 if victim == "worker" else 2)
    assert all(isinstance(one, Interrupted) and one.started for one in said)
    wait_until(lambda: is_gone(pids[0]), WAIT_SECONDS)
    if victim not in ("worker", "manager"):
        first = f"{POOL_VARIABLE}={tmp_path / 'run folder' / 'pool-1'}"
        wait_until(lambda: marked(first) == [], WAIT_SECONDS)
    if victim == "worker":
        assert not is_gone(pids[1])
        executor.cancel([2], 0.0)
        assert ended(executor) == [Interrupted(2, 1, "stopped")]
    wait_until(lambda: executor.start(*work(tmp_path, 3, function="environment")), WAIT_SECONDS)
    assert outcome(executor).objective == 1.0


def test_a_start_does_not_wait_for_a_dead_interchange(executor: ParslExecutor, tmp_path: Path) -> None:
    """It would never end, and the launcher would hear neither TERM nor its time limit."""
    executor.start(*work(tmp_path, 1, function="pid"))
    pid_of(tmp_path, 1)
    assert executor._pool is not None
    htex = executor._pool._htex
    htex.interchange_proc.kill()
    wait_until(lambda: not htex.outgoing_q.zmq_socket.poll(0, POLLOUT))
    start = threading.Thread(target=executor.start, args=work(tmp_path, 2, function="pid"), daemon=True)
    start.start()
    start.join(5.0)
    assert not start.is_alive()
    assert [one.id for one in ended(executor, 2) if isinstance(one, Interrupted)] == [1, 2]


def test_nothing_survives_close(executor: ParslExecutor, tmp_path: Path) -> None:
    """No process of the evaluation, none of the pool, no file of Parsl."""
    text = "sleep 601 & setsid sleep 602 & (setsid sleep 603 &) ; echo on > pid; sleep 604"
    executor.start(*work(tmp_path, arguments=shell(text)))
    wait_until(lambda: (tmp_path / "attempt-1" / "pid").exists(), WAIT_SECONDS)
    pool = str(tmp_path / "run folder")
    assert len(marked(str(tmp_path))) >= 6
    executor.close()
    assert marked(str(tmp_path)) == []
    assert not Path(pool).exists()


ALONE = """
import sys
from pathlib import Path
from ambs_hpc.identity import this_process
from ambs_hpc.launcher.supervisor.orphan_reaper import start_orphan_reaper
from tests.launcher.executors import test_parsl as test
lifeline = start_orphan_reaper(str(this_process()))
folder = Path(sys.argv[1])
executor = test.make(folder)
executor.start(*test.work(folder, 1, function="pid"))
executor.start(*test.work(folder, 2, test.shell("(setsid sleep 603 &); sleep 604")))
while True:
    executor.poll(1.0)
"""


def test_nothing_survives_a_killed_launcher(tmp_path: Path) -> None:
    """SIGKILL leaves no time to clean up, and Parsl's processes would live on for ever."""
    launcher = subprocess.Popen([sys.executable, "-c", ALONE, str(tmp_path)])
    evaluation = pid_of(tmp_path)
    interchange = next(
        pid
        for pid in process_tree.all_processes()
        if parent_or_none(pid) == launcher.pid and b"interchange" in command_of(pid)
    )
    launcher.kill()
    launcher.wait()
    wait_until(lambda: is_gone(evaluation) and is_gone(interchange), WAIT_SECONDS)
    wait_until(lambda: marked(str(tmp_path)) == [], WAIT_SECONDS)


def parent_or_none(pid: int) -> int | None:
    try:
        return parent_of(pid)
    except OSError:
        return None


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def several(folder: Path, everywhere: Callable[[Sequence[str]], Sequence[str]]) -> ParslExecutor:
    """An executor for nodes a and b, as a launch command reaches them."""
    nodes = tuple(replace(NODE, name=name) for name in ("a", "b"))
    node_pool = NodePool(
        nodes, "CUDA_VISIBLE_DEVICES", lambda name: ("env", f"ON={name}"), launch_on_all=everywhere
    )
    return ParslExecutor(Packing(nodes), node_pool, 0.5, folder / "pools", log=NodeLog(["a", "b"], "a"))


def pretended(nodes: Sequence[str]) -> Sequence[str]:
    """As a launch command does: a copy for each node, each with its rank, input to the first alone."""
    rest = "".join(f'PMI_RANK={rank} "$@" < /dev/null & ' for rank in range(1, len(nodes)))
    return (
        "sh",
        "-c",
        f'exec 3<&0; {rest} PMI_RANK=0 "$@" <&3 3<&- & exec 3<&-; trap "kill 0" TERM; wait; wait',
        "sh",
    )


def test_one_launch_command_serves_all_nodes(tmp_path: Path) -> None:
    """Every worker tells its own node's name."""
    executor = several(tmp_path, pretended)
    try:
        for number in range(1, 5):
            assert executor.start(*work(tmp_path, number, function="environment"))
        assert executor.count(ONE_GPU) == 0
        said = ended(executor, 4)
        assert {one.node for one in said if isinstance(one, Outcome)} <= {"a", "b"}
        assert all(isinstance(one, Outcome) and one.objective == 1.0 for one in said)
    finally:
        executor.close()


def on_bad_scratch(folder: Path, bad: Sequence[str]) -> Callable[[Sequence[str]], Sequence[str]]:
    """As `pretended`, with a scratch folder of each node's own, which is `full` on some."""

    def everywhere(nodes: Sequence[str]) -> Sequence[str]:
        scratch = [str(folder / ("full" if node in bad else ".")) for node in nodes]
        command = list(pretended(nodes))
        for rank, its_own in enumerate(scratch):
            command[2] = command[2].replace(f"PMI_RANK={rank} ", f"PMI_RANK={rank} TMPDIR={its_own} ")
        return command

    return everywhere


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[None]:
    """The folder `full` without room."""
    folder = tmp_path / "full"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0755", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can mount a small disk")
    subprocess.run(["dd", "if=/dev/zero", f"of={folder}/fill"], capture_output=True, check=False)
    yield
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


@pytest.mark.usefixtures("full_disk")
def test_a_node_with_a_full_scratch_gets_no_worker(tmp_path: Path) -> None:
    """It is named, with what was measured on both; the others do the work."""
    executor = several(tmp_path, on_bad_scratch(tmp_path, ["a"]))
    try:
        for number in (1, 2):
            assert executor.start(*work(tmp_path, number, function="environment"))
        said = ended(executor, 2)
        assert {one.node for one in said if isinstance(one, Outcome)} == {"b"}
        assert executor.count(ONE_GPU) == 2
        (trouble,) = executor.troubles
        assert trouble.startswith(f"node a: scratch {tmp_path}/full cannot be written: No space left")
        expected = {("a", "PROBE_FAILED"), ("b", "PROBED"), ("b", "IMPORTED")}
        wait_until(lambda: executor.poll(0.05) == [] and expected <= told_of(executor), WAIT_SECONDS)
    finally:
        executor.close()


@pytest.mark.usefixtures("full_disk")
def test_nodes_that_all_have_trouble_make_a_pool_all_the_same(tmp_path: Path) -> None:
    """The evaluations may never touch the scratch."""
    executor = several(tmp_path, on_bad_scratch(tmp_path, ["a", "b"]))
    try:
        assert executor.start(*work(tmp_path, 1, function="environment"))
        assert ended(executor) == [Interrupted(1, 1, "no node is fit", started=False)]
        assert executor.start(*work(tmp_path, 1, function="environment"))
        assert outcome(executor).objective == 1.0
        assert executor.troubles == []
    finally:
        executor.close()


def told_of(executor: ParslExecutor) -> set[tuple[str, str]]:
    return {(one.node, one.kind.value) for one in executor._log.last(was_stopped=False)}


def test_a_node_without_a_manager_is_lost_once() -> None:
    """One that dies is started again meanwhile; nodes that never had one are not lost."""
    watch = parsl_pool.ManagerWatch()
    both = [{"manager": "a-1-12ab"}, {"manager": "b-34cd"}]
    looks = [watch.lost(both), *(watch.lost(both[1:]) for _ in range(parsl_pool.LOOKS_TO_LOSE - 1))]
    assert looks == [[]] * parsl_pool.LOOKS_TO_LOSE
    assert watch.found(both) == []
    assert watch.lost([{"manager": "a-1-ffff"}, both[1]]) == []
    looks = [watch.lost(both[1:]) for _ in range(2 * parsl_pool.LOOKS_TO_LOSE)]
    assert looks == [[]] * (parsl_pool.LOOKS_TO_LOSE - 1) + [["a-1"]] + [[]] * parsl_pool.LOOKS_TO_LOSE
    assert watch.found(both) == ["a-1"]


def test_launch_command_that_fails_gives_up(tmp_path: Path) -> None:
    """Not without end: no node is left, for the reason that the command gave; evaluations are given back."""
    words = "srun: error: Unable to create step for job 7: More processors requested than permitted"
    executor = several(tmp_path, lambda _: ("sh", "-c", f"echo '{words}' >&2; exit 1"))
    said: list[Ended] = []
    starts = 0
    while executor.capacity() is not None:
        wait_until(lambda: executor.room() is not None or executor.poll(0.05), WAIT_SECONDS)
        starts += executor.start(*work(tmp_path, starts + 1, function="environment"))
        wait_until(lambda: said.extend(executor.poll(0.05)) or len(said) >= starts, WAIT_SECONDS)  # noqa: B023
    assert starts == parsl_executor.MOST_POOLS
    assert all(isinstance(one, Interrupted) and not one.started for one in said)
    assert executor.troubles == [f"nothing starts on a, b: {words}"]
    assert executor.room() is None


def test_dead_node_that_ends_the_launch_command_is_left_out(tmp_path: Path) -> None:
    """As with aprun, which ends everywhere: the next pool is on the nodes that still answer."""
    nodes = tuple(replace(NODE, name=name) for name in ("a", "b"))
    asked: list[list[str]] = []

    def launch_on_all(names: Sequence[str]) -> Sequence[str]:
        asked.append(list(names))
        return pretended(names)

    def launch_on(name: str) -> Sequence[str]:
        return ("false",) if name == "a" else ("env",)

    node_pool = NodePool(nodes, "CUDA_VISIBLE_DEVICES", launch_on, launch_on_all=launch_on_all)
    log = NodeLog(["a", "b"], "a")
    executor = ParslExecutor(Packing(nodes), node_pool, 0.5, tmp_path / "pools", log=log)
    executor.start(*work(tmp_path, 1, function="pid"))
    pid = pid_of(tmp_path, 1)
    assert executor._pool is not None
    assert executor._pool._process is not None
    os.killpg(executor._pool._process.pid, signal.SIGKILL)
    (said,) = ended(executor)
    assert said == Interrupted(1, 1, "its command ended with -9")
    wait_until(lambda: is_gone(pid), WAIT_SECONDS)
    wait_until(lambda: executor.poll(0.05) or executor.start(*work(tmp_path, 2, function="environment")))
    assert outcome(executor).node == "b"
    assert asked == [["a", "b"], ["b"]]
    executor.close()


def test_pool_that_never_comes_up_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes that hang in their start do not take the allocation along."""
    monkeypatch.setattr(parsl_executor, "FIRST_SECONDS", 3.0)
    executor = several(tmp_path, lambda _: ("sh", "-c", "sleep 600", "sh"))
    executor.start(*work(tmp_path, 1, function="environment"))
    assert ended(executor) == [Interrupted(1, 1, "no node has come up", started=False)]
    assert executor.capacity() is None
    executor.close()


def test_long_names_of_temporary_folders_do_no_harm(
    executor: ParslExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sockets of Parsl would not fit into one; evaluations get it all the same."""
    long = tmp_path / ("long" * 25)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    executor.start(*work(tmp_path, 1, shell("echo AMBS-RESULT: 1; echo $TMPDIR >&2")))
    assert outcome(executor).objective == 1.0
    assert (tmp_path / "attempt-1" / "stderr").read_text() == f"{long}\n"


class PoolWithoutRoom:
    """A pool whose workers find no room for the folders of what they are asked to start."""

    workers, has_had_workers, age_seconds = 2, True, 0.0

    def __init__(self, _plan: object, _report_log: object) -> None:
        self.requests: list[StartRequest] = []

    def submit(self, request: StartRequest) -> None:
        self.requests.append(request)

    def answers(self, _timeout_seconds: float) -> list[parsl_pool.Answer]:
        said, self.requests = self.requests, []
        error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return [parsl_pool.Answer(one.id, not_begun(one, error)) for one in said]

    def of_nodes(self) -> list[dict[str, object]]:
        return []

    def failure(self) -> None:
        return None

    def close(self) -> None:
        self.requests.clear()


def test_nothing_starts_while_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not begin counts against nothing; the reason is told until there is room."""
    monkeypatch.setattr(parsl_executor, "Pool", PoolWithoutRoom)
    monkeypatch.setattr(node_health, "LOOK_SECONDS", 0.05)
    full = [os.strerror(errno.ENOSPC)]
    monkeypatch.setattr(node_health, "obstacle_to_writing", lambda *_, **__: "".join(full))
    executor = make(tmp_path)
    executor.start(*work(tmp_path, 1, function="environment"))
    (said,) = ended(executor)
    assert isinstance(said, Interrupted)
    assert not said.started
    assert "No space left on device" in said.reason
    assert (executor.room(), executor.count(ONE_GPU)) == (None, 0)
    (told,) = executor.troubles
    assert told.endswith("No space left on device; nothing is started until there is room")
    full.clear()
    wait_until(lambda: executor.poll(0.01) or executor.room() is not None)
    assert executor.count(ONE_GPU) == 2
    assert executor.troubles == []
    executor.close()


def test_missing_parsl_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to install, before anything is leased."""
    monkeypatch.setattr(parsl_pool, "find_spec", lambda _name: None)
    with pytest.raises(UsageError, match=r"ambs-hpc\[parsl\]"):
        make(tmp_path)


class PoolThatDies(PoolWithoutRoom):
    """A pool that fails with what was given to it; evaluations may have ended meanwhile."""

    plans: ClassVar[list[parsl_pool.PoolPlan]] = []

    def __init__(self, plan: parsl_pool.PoolPlan, report_log: object) -> None:
        super().__init__(plan, report_log)
        self.plans.append(plan)
        self.said: list[parsl_pool.Answer] = []
        self.dies = False

    def answers(self, _timeout_seconds: float) -> list[parsl_pool.Answer]:
        said, self.said = self.said, []
        return said

    def failure(self) -> str | None:  # type: ignore[override]
        return "Parsl's interchange died" if self.dies else None

    def tail(self) -> str:
        return "srun: error: Unable to create step for job 7"

    def close(self) -> None:
        for one in self.requests:  # in the last moment
            if one.id == 1:
                leave_outcome(one)


def leave_outcome(request: StartRequest) -> None:
    report = AttemptReport(
        request.id, request.attempt, "here", 1.0, 2.0, 3.5, {}, None, "", 0, "", token=request.token
    )
    Path(request.folder).mkdir(exist_ok=True)
    write_outcome(request.folder, report)


def dying(executor: ParslExecutor) -> PoolThatDies:
    assert isinstance(executor._pool, PoolThatDies)
    return executor._pool


@pytest.fixture
def dying_pools(monkeypatch: pytest.MonkeyPatch) -> list[parsl_pool.PoolPlan]:
    monkeypatch.setattr(parsl_executor, "Pool", PoolThatDies)
    monkeypatch.setattr(PoolThatDies, "plans", [])
    return PoolThatDies.plans


@pytest.mark.usefixtures("dying_pools")
def test_what_has_ended_when_the_pool_dies_counts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its outcome is on disk, and the rest is interrupted; who gives up says why."""
    executor = make(tmp_path)
    for number in (1, 2):
        assert executor.start(*work(tmp_path, number, function="environment"))
    dying(executor).dies = True
    executor._failures = parsl_executor.MOST_POOLS - 1
    first, second = ended(executor, 2)
    assert isinstance(first, Outcome)
    assert (first.id, first.objective, first.failure) == (1, 3.5, None)
    assert second == Interrupted(2, 1, "Parsl's interchange died")
    assert "given up: Parsl's interchange died: srun: error: Unable to create step for job 7." in caplog.text


@pytest.mark.usefixtures("dying_pools")
@pytest.mark.parametrize(
    ("message", "error"),
    [(None, "ManagerLost: gone"), (None, "WorkerLost: gone"), (SupervisorDied(), "")],
    ids=["manager", "worker", "supervisor"],
)
def test_a_lost_report_is_found_on_disk(message: SupervisorDied | None, error: str, tmp_path: Path) -> None:
    """What has ended neither runs again nor is blamed, not even after an earlier death."""
    executor = make(tmp_path)
    executor._deaths[1] = 1
    assert executor.start(*work(tmp_path, 1, function="environment"))
    (request,) = dying(executor).requests
    leave_outcome(request)
    dying(executor).said.append(parsl_pool.Answer(1, message, error))
    said = outcome(executor)
    assert (said.objective, said.failure, said.token) == (3.5, None, "token.1")


def unlike(folder: Path) -> ParslExecutor:
    """An executor for a node with many cores and one with few."""
    nodes = (Node("a", tuple(range(64))), Node("b", tuple(range(4))))
    tenancy = Tenancy(Cobalt("alice"), "7")
    node_pool = NodePool(nodes, "X", launch_on_all=lambda _: ("false",), tenancy=tenancy)
    return ParslExecutor(Packing(nodes), node_pool, 0.5, folder / "pools")


def test_slots_are_those_of_the_smallest_node(tmp_path: Path, dying_pools: list[parsl_pool.PoolPlan]) -> None:
    """A shape that fits on a larger node alone is told, and harms no pool; all lock what is used."""
    executor = unlike(tmp_path)
    large, small = Resources(cores=8), Resources(cores=2)
    for _ in range(2):
        with pytest.raises(ShapeNeverFits, match=r"at most Resources\(cores=4,.*smallest node"):
            executor.start(*work(tmp_path, 1, ["true"], resources=large))
        assert executor.start(*work(tmp_path, 2, ["true"], resources=small))
    (plan,) = dying_pools
    assert [share.cores for share in plan.slots] == [(0, 1), (2, 3)]
    claim = claim_of(dict(plan.lock))
    assert claim is not None
    assert (claim.node, tuple(claim.cores)) == ("b", (0, 1, 2, 3))


def test_a_hanging_file_system_does_not_hold_up_the_end_of_a_pool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its thread nor the removal of its folder is waited for without end; both go on later."""
    hangs, removed = threading.Event(), threading.Event()

    def bring_up(_pool: parsl_pool.Pool) -> None:
        hangs.wait(WAIT_SECONDS)

    def remove(_folder: Path) -> None:
        hangs.wait(WAIT_SECONDS)
        removed.set()

    monkeypatch.setattr(parsl_pool.Pool, "_bring_up", bring_up)
    monkeypatch.setattr(parsl_pool, "_remove", remove)
    monkeypatch.setattr(parsl_pool, "JOIN_SECONDS", 0.1)
    monkeypatch.setattr(parsl_pool, "REMOVE_SECONDS", 0.1)
    plan = parsl_pool.PoolPlan(tmp_path / "pool", ["here"], (), None, (), "me", str(tmp_path), 0, False)
    pool = parsl_pool.Pool(plan, ReportLog())
    began = time.monotonic()
    pool.close()
    assert time.monotonic() - began < WAIT_SECONDS / 2
    assert not removed.is_set()
    hangs.set()
    assert removed.wait(WAIT_SECONDS)
    pool._thread.join(WAIT_SECONDS)
    assert not pool._thread.is_alive()


def test_nodes_know_their_names() -> None:
    """By host, else by Slurm's word, else by rank."""
    nodes = ["n1.site", "n2.site", "n3.site"]
    assert own_name(nodes, {}, "n2") == "n2.site"
    assert own_name(nodes, {"SLURMD_NODENAME": "n3"}, "vm") == "n3.site"
    assert own_name(nodes, {"PMI_RANK": "1", "SLURM_PROCID": "0"}, "vm") == "n2.site"


def test_folders_of_dead_launchers_are_removed(tmp_path: Path) -> None:
    """They hold keys; those of living launchers, and of other hosts, stay."""
    me = this_process()
    dead, elsewhere = replace(me, started=me.started + 1), replace(me, host="elsewhere")
    for who in (me, dead, elsewhere):
        (tmp_path / f"parsl-{who}" / "pool-1").mkdir(parents=True)
    node_pool = NodePool((NODE,), "X", folder=tmp_path)
    registry.make_executor("parsl", Packing([NODE]), node_pool, 0.5, None)
    assert {file.name for file in tmp_path.iterdir()} == {f"parsl-{me}", f"parsl-{elsewhere}"}


def test_auto_takes_the_pool_where_it_is_needed() -> None:
    """Many nodes, or launch commands that cannot share a node; never for MPI or mixed shapes."""
    one, two = Resources(), Resources(cores=2)
    mpi = Resources(nodes=2)

    def around(number: int, packs: bool = True, most: int | None = None) -> NodePool:
        nodes = tuple(replace(NODE, name=f"n{index}") for index in range(number))
        return NodePool(nodes, "X", packs=packs, most_at_once=most)

    assert registry.choose(around(1, packs=False), {one})[0] == "process"
    assert registry.choose(around(8), {one})[0] == "process"
    assert registry.choose(around(9), {one}) == ("parsl", "9 nodes are more than 8")
    assert registry.choose(around(9), {one, two})[0] == "process"
    assert registry.choose(around(2, packs=False), {one, two})[0] == "parsl"
    assert registry.choose(around(4, most=3), {one})[0] == "parsl"
    assert registry.choose(around(9, packs=False), {one, mpi})[0] == "process"
