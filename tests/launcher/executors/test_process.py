"""Evaluations get exactly their slot and their limits, and nothing of them stays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ambs_hpc.errors import ShapeNeverFits
from ambs_hpc.identity import start_time
from ambs_hpc.launcher.executors.process import ProcessExecutor
from ambs_hpc.launcher.executors.protocol import Ended, Interrupted, Unloadable
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.launcher.packing import Node, Packing
from ambs_hpc.launcher.supervisor import process_tree
from ambs_hpc.records import Claim, Outcome, Resources
from ambs_hpc.states import FailureKind
from tests.databases import wait_until
from tests.launcher.prepared import Prepared, prepared

MODULE = """
import json, os, time
def environment(configuration):
    variables = {k: v for k, v in os.environ.items() if "DEVICES" in k or k == "OMP_NUM_THREADS"}
    return {"objective": 1, "cores": sorted(os.sched_getaffinity(0)), "session": os.getsid(0) == os.getpid(),
            "cwd": os.getcwd(), "variables": variables}
def daemon(configuration):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            with open("pid", "w") as file: file.write(str(os.getpid()))
            time.sleep(600)
        os._exit(0)
    while not os.path.exists("pid") or not open("pid").read(): time.sleep(0.01)
    return 1
def first_kills_its_parent(configuration):
    if os.getcwd().endswith("attempt-1"): os.kill(os.getppid(), 9)
    time.sleep(0.3)
    return 1
def long(configuration):
    return {"objective": 1, "curve": [0.5] * 200_000}
def pid(configuration):
    with open("pid", "w") as file: file.write(str(os.getpid()))
    time.sleep(600)
"""
ONE_CORE = Resources()
CORE = min(os.sched_getaffinity(0))


@pytest.fixture
def executor() -> Iterator[ProcessExecutor]:
    node = Node("here", (CORE, CORE), ("4", "7"), 64.0)
    made = ProcessExecutor(Packing([node]), NodePool((node,), "CUDA_VISIBLE_DEVICES"), grace_seconds=0.5)
    yield made
    made.close()


def work(
    folder: Path,
    number: int = 1,
    arguments: list[str] | None = None,
    function: str | None = None,
    resources: Resources = ONE_CORE,
    limit: float | None = None,
) -> Prepared:
    (folder / "objective_module.py").write_text(MODULE)
    claim = Claim(number, 1, "c", number, 1, f"token.{number}", {"x": 1.0}, resources, limit)
    attempt = folder / f"attempt-{number}"
    return prepared(
        claim,
        arguments,
        function,
        str(folder),
        str(attempt),
        {"AMBS_RESULT": str(attempt / ".ambs-result.json")},
    )


def outcome(executor: ProcessExecutor) -> Ended:
    ended: list[Ended] = []
    wait_until(lambda: ended.extend(executor.poll(0.05)) or ended)
    assert len(ended) == 1
    return ended[0]


def outcomes(executor: ProcessExecutor, number: int) -> list[Outcome]:
    ended: list[Outcome] = []
    while len(ended) < number:
        wait_until(lambda: ended.extend(executor.poll(0.05)) or ended)  # type: ignore[arg-type]
    return ended


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def shell(text: str) -> list[str]:
    return ["sh", "-c", text]


def test_function_gets_exactly_its_slot(
    executor: ProcessExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One GPU variable with its own GPUs, its cores, a session and folder of its own."""
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", "0,1,2,3")
    monkeypatch.setenv("AMBS_DB", "postgresql://me:secret@host/db")
    executor.start(*work(tmp_path, function="objective_module:environment", resources=Resources(gpus=1)))
    said = outcome(executor)
    assert isinstance(said, Outcome)
    assert said.objective == 1.0
    assert said.metrics["cores"] == [CORE]
    assert said.metrics["session"] is True
    assert said.metrics["cwd"] == str(tmp_path / "attempt-1")
    assert said.metrics["variables"] == {"CUDA_VISIBLE_DEVICES": "4", "OMP_NUM_THREADS": "1"}


def test_cores_that_do_not_exist_bind_nothing(tmp_path: Path) -> None:
    """A site file may be wrong, or a control group narrower: that is no failure of the evaluation."""
    node = Node("here", (4000, CORE))
    executor = ProcessExecutor(Packing([node]), NodePool((node,), "CUDA_VISIBLE_DEVICES"), 0.5)
    told = {}
    for number in (1, 2):
        executor.start(*work(tmp_path, number, function="objective_module:environment"))
    for said in outcomes(executor, 2):
        told[said.id] = said.metrics["cores"]
    assert told == {1: sorted(os.sched_getaffinity(0)), 2: [CORE]}
    executor.close()


def test_command_gets_exactly_its_slot(
    executor: ProcessExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for a command, and no password of ours in its environment."""
    monkeypatch.setenv("AMBS_DB", "postgresql://me:secret@host/db")
    text = 'taskset -cp $$ >&2; env >&2; echo "AMBS-RESULT: 2"'
    executor.start(*work(tmp_path, arguments=shell(text), resources=Resources(cores=2, gpus=2)))
    said = outcome(executor)
    assert isinstance(said, Outcome)
    assert said.objective == 2.0
    stderr = (tmp_path / "attempt-1" / "stderr").read_text()
    assert f"affinity list: {CORE}\n" in stderr
    assert "CUDA_VISIBLE_DEVICES=4,7\n" in stderr
    assert "OMP_NUM_THREADS=2\n" in stderr
    assert "secret" not in stderr


def test_two_evaluations_have_different_gpus(executor: ProcessExecutor, tmp_path: Path) -> None:
    """Every trial on GPU 0 is the oldest pain of this field."""
    for number in (1, 2):
        text = "echo AMBS-RESULT: $CUDA_VISIBLE_DEVICES"
        assert executor.start(*work(tmp_path, number, shell(text), resources=Resources(gpus=1)))
    seen: list[float | None] = []
    wait_until(
        lambda: (
            seen.extend(one.objective for one in executor.poll(0.05) if isinstance(one, Outcome))
            or len(seen) == 2
        )
    )
    assert sorted(map(str, seen)) == ["4.0", "7.0"]


def test_time_limit_terms_then_kills(executor: ProcessExecutor, tmp_path: Path) -> None:
    """TERM gives time to write; who ignores it is killed after the grace."""
    text = "trap 'echo got TERM >&2' TERM; while :; do sleep 0.1; done"
    executor.start(*work(tmp_path, arguments=shell(text), limit=0.5))
    said = outcome(executor)
    assert isinstance(said, Outcome)
    assert said.failure is FailureKind.TIMEOUT
    assert "time limit of 0.5 s" in said.error
    assert "got TERM" in said.error
    assert 0.9 < said.finished_at - said.started_at < 5


def test_result_written_on_term_counts(executor: ProcessExecutor, tmp_path: Path) -> None:
    """A program that saves its result when told to end has ended well."""
    text = "trap 'echo AMBS-RESULT: 5; exit 0' TERM; while :; do sleep 0.05; done"
    executor.start(*work(tmp_path, arguments=shell(text), limit=0.3))
    said = outcome(executor)
    assert isinstance(said, Outcome)
    assert said.objective == 5.0


def test_termination_from_outside_is_an_interruption(executor: ProcessExecutor, tmp_path: Path) -> None:
    """A scheduler terminates everything that runs on a node before it takes it: nobody's failure."""
    executor.start(*work(tmp_path, arguments=shell("echo $PPID > parent; kill -TERM $$")))
    file = tmp_path / "attempt-1" / "parent"
    wait_until(lambda: file.exists() and file.read_text())
    os.kill(int(file.read_text()), signal.SIGTERM)
    assert outcome(executor) == Interrupted(1, 1, "stopped")


def test_own_termination_is_a_failure(executor: ProcessExecutor, tmp_path: Path) -> None:
    """A program's own watchdog sent it, or an MPI launcher: running it again changes nothing."""
    executor.start(*work(tmp_path, arguments=shell("sh -c 'kill -TERM $$'")))
    said = outcome(executor)
    assert isinstance(said, Outcome)
    assert said.failure is FailureKind.ERROR


def test_missing_program_is_an_error_of_its_own(executor: ProcessExecutor, tmp_path: Path) -> None:
    """The next evaluation is started all the same."""
    executor.start(*work(tmp_path, 1, ["/no/such/program"]))
    said = outcome(executor)
    assert isinstance(said, Outcome)
    assert said.failure is FailureKind.ERROR
    assert "/no/such/program" in said.error
    executor.start(*work(tmp_path, 2, ["echo", "AMBS-RESULT: 1"]))
    assert isinstance(outcome(executor), Outcome)


def test_cancelled_evaluation_is_an_interruption(executor: ProcessExecutor, tmp_path: Path) -> None:
    """It had nothing to say, so nothing is recorded as its failure."""
    executor.start(*work(tmp_path, arguments=["sleep", "600"]))
    wait_until(lambda: (tmp_path / "attempt-1" / "stdout").exists())
    executor.cancel([1], grace_seconds=1.0)
    assert outcome(executor) == Interrupted(1, 1, "stopped")


def test_module_that_cannot_be_imported_consumes_nothing(executor: ProcessExecutor, tmp_path: Path) -> None:
    """A missing import is told once; its evaluations are given back as never started."""
    (tmp_path / "broken_module.py").write_text("import no_such_library\n")
    executor.start(*work(tmp_path, function="broken_module:f"))
    ended: list[Ended] = []
    wait_until(lambda: ended.extend(executor.poll(0.05)) or len(ended) == 2)
    assert isinstance(ended[0], Unloadable)
    assert "No module named 'no_such_library'" in ended[0].error
    assert isinstance(ended[1], Interrupted)
    assert ended[1].started is False


def test_impossible_shape_is_told(executor: ProcessExecutor, tmp_path: Path) -> None:
    """It would wait for ever."""
    with pytest.raises(ShapeNeverFits, match="gpus=3"):
        executor.start(*work(tmp_path, arguments=["true"], resources=Resources(gpus=3)))


def test_nothing_survives_close(executor: ProcessExecutor, tmp_path: Path) -> None:
    """Not the process, not its child, not the daemon that left its session."""
    text = "sleep 601 & setsid sleep 602 & (setsid sleep 603 &) ; sleep 604"
    executor.start(*work(tmp_path, arguments=shell(text)))
    token = wait_for_token(tmp_path, count=5)
    executor.close()
    assert marked(token) == []


def wait_for_token(folder: Path, count: int) -> bytes:
    mark = f"AMBS_RESULT={folder}/attempt-1/.ambs-result.json".encode()
    wait_until(lambda: len(marked(mark)) >= count)
    return mark


def marked(mark: bytes) -> list[int]:
    """Living processes that carry `mark` in their environment."""
    return [
        pid
        for pid in process_tree.all_processes()
        if mark in process_tree.environment_of(pid) and start_time(pid)
    ]


ALONE = """
import sys, time
from pathlib import Path
from ambs_hpc.launcher.packing import Node, Packing
from ambs_hpc.launcher.executors.process import ProcessExecutor
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.identity import this_process
from ambs_hpc.launcher.supervisor.orphan_reaper import start_orphan_reaper
from tests.launcher.prepared import prepared
from ambs_hpc.records import Claim, Resources
lifeline = start_orphan_reaper(str(this_process()))
node = Node("here", (0, 0))
executor = ProcessExecutor(Packing([node]), NodePool((node,), "CUDA_VISIBLE_DEVICES"), 0.5)
folder = Path(sys.argv[1])
claim = Claim(1, 1, "c", 1, 1, "token.1", {}, Resources(), None)
arguments = ["sh", "-c", "(setsid sleep 603 &); sleep 604"]
environment = {"AMBS_RESULT": str(folder / "attempt-1" / ".ambs-result.json")}
executor.start(*prepared(claim, arguments, None, str(folder), str(folder / "attempt-1"), environment))
while True:
    executor.poll(1.0)
"""


@pytest.mark.parametrize("victims", ["launcher", "launcher and supervisor"])
def test_nothing_survives_a_killed_launcher(victims: str, tmp_path: Path) -> None:
    """SIGKILL leaves no time to clean up: the supervisor, or else the orphan reaper, does it."""
    launcher = subprocess.Popen([sys.executable, "-c", ALONE, str(tmp_path)])
    mark = wait_for_token(tmp_path, count=3)
    supervisors = []
    if victims == "launcher and supervisor":
        children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
        supervisors = [
            int(pid)
            for pid in children
            if b"-m\0ambs_hpc.launcher.supervisor" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        assert len(supervisors) == 1
    for pid in [*supervisors, launcher.pid]:
        os.kill(pid, signal.SIGKILL)
    launcher.wait()
    wait_until(lambda: marked(mark) == [])


def test_a_command_does_not_survive_when_all_are_killed_at_once(tmp_path: Path) -> None:
    """`pkill -9` knows no order: launcher, supervisor and reaper die before any of them can do something."""
    launcher = subprocess.Popen(
        [sys.executable, "-c", ALONE.replace("(setsid sleep 603 &); ", "exec "), tmp_path]
    )
    mark = wait_for_token(tmp_path, count=1)
    doomed = [launcher.pid, *(pid for pid in process_tree.all_processes() if parent_of(pid) == launcher.pid)]
    assert len(doomed) == 3
    for pid in doomed:
        os.kill(pid, signal.SIGSTOP)
    for pid in doomed:
        os.kill(pid, signal.SIGKILL)
    launcher.wait()
    wait_until(lambda: marked(mark) == [])


def test_killed_nest_costs_interruptions_only(executor: ProcessExecutor, tmp_path: Path) -> None:
    """The next evaluation finds a new supervisor, and the one that was interrupted may run again."""
    executor.start(*work(tmp_path, function="objective_module:pid"))
    wait_until(
        lambda: (tmp_path / "attempt-1" / "pid").exists() and (tmp_path / "attempt-1" / "pid").read_text()
    )
    pid = int((tmp_path / "attempt-1" / "pid").read_text())
    os.kill(parent_of(parent_of(pid)), signal.SIGKILL)
    said = outcome(executor)
    assert said == Interrupted(1, 1, "supervising process died")
    wait_until(lambda: start_time(pid) is None)
    executor.start(*work(tmp_path, 2, function="objective_module:environment"))
    assert isinstance(outcome(executor), Outcome)


def test_killed_template_costs_nothing(executor: ProcessExecutor, tmp_path: Path) -> None:
    """An evaluation that kills its parent harms neither itself nor the others."""
    for number in (1, 2):
        executor.start(*work(tmp_path, number, function="objective_module:first_kills_its_parent"))
    assert {one.objective for one in outcomes(executor, 2)} == {1.0}
    executor.start(*work(tmp_path, 3, function="objective_module:environment"))
    said = outcome(executor)
    assert isinstance(said, Outcome)
    assert said.objective == 1.0


def test_forked_daemon_ends_with_its_evaluation(executor: ProcessExecutor, tmp_path: Path) -> None:
    """It never called exec, left its session and its parent, and would keep the cores of the next one."""
    executor.start(*work(tmp_path, function="objective_module:daemon"))
    said = outcome(executor)
    assert isinstance(said, Outcome)
    assert said.objective == 1.0
    assert start_time(int((tmp_path / "attempt-1" / "pid").read_text())) is None


def test_long_metrics_are_told(executor: ProcessExecutor, tmp_path: Path) -> None:
    """A packet above the socket's buffer would kill the supervisor, and with it its other evaluations."""
    executor.start(*work(tmp_path, function="objective_module:long"))
    said = outcome(executor)
    assert isinstance(said, Outcome)
    assert said.metrics == {"curve": [0.5] * 200_000}


def test_function_that_cannot_be_forked_runs_cold(executor: ProcessExecutor, tmp_path: Path) -> None:
    """`warm=False`: a fresh interpreter, the same call, the same result."""
    arguments = [
        sys.executable,
        "-m",
        "ambs_hpc.launcher.supervisor.function_main",
        "objective_module:environment",
        str(tmp_path),
    ]
    one = work(tmp_path, arguments=arguments)
    executor.start(one.claim, replace(one.request, reads_request=True))
    said = outcome(executor)
    assert isinstance(said, Outcome)
    assert (said.objective, said.error) == (1.0, "")
    assert said.metrics["cwd"] == str(tmp_path / "attempt-1")


def test_threads_that_a_person_set_stay(
    executor: ProcessExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who says OMP_NUM_THREADS=3 means it."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    executor.start(*work(tmp_path, arguments=shell("echo AMBS-RESULT: $OMP_NUM_THREADS")))
    said = outcome(executor)
    assert isinstance(said, Outcome)
    assert said.objective == 3.0


def test_outcome_is_on_disk_before_it_is_told(executor: ProcessExecutor, tmp_path: Path) -> None:
    """Whoever loses the database, or its life, finds it there."""
    executor.start(*work(tmp_path, arguments=["echo", "AMBS-RESULT: 3"]))
    outcome(executor)
    written = json.loads((tmp_path / "attempt-1" / ".ambs-outcome.json").read_text())
    assert (written["id"], written["attempt"], written["objective"]) == (1, 1, 3.0)
