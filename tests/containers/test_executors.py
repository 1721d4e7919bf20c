"""Evaluations in containers, by both executors: one supervisor and one import for many of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ambs_hpc.errors import ContainerUnusable
from ambs_hpc.launcher.executors.parsl.executor import ParslExecutor
from ambs_hpc.launcher.executors.process import ProcessExecutor
from ambs_hpc.launcher.executors.protocol import Ended, Executor, Interrupted, Unloadable
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.launcher.packing import Node, Packing
from ambs_hpc.launcher.supervisor.orphan_reaper import kill_marked
from ambs_hpc.launcher.supervisor.process_tree import all_processes, environment_of, mark_of
from ambs_hpc.records import Claim, Outcome, Resources
from ambs_hpc.states import FailureKind
from tests.containers.programs import StandIns, stand_ins
from tests.databases import wait_until
from tests.launcher.prepared import Prepared, prepared

MODULE = """
import os, sys, time
with open(__file__ + ".imports", "a") as file: file.write("x")
def where(configuration):
    return {"objective": configuration["x"], "pid": os.getpid(), "parent": os.getppid(),
            "python": list(sys.version_info[:2]), "executable": sys.executable,
            "container": os.environ.get("CONTAINER", ""), "pythonpath": os.environ.get("PYTHONPATH", ""),
            "threads": os.environ["OMP_NUM_THREADS"], "namespace": os.readlink("/proc/self/ns/pid"),
            "seen": os.path.exists("/var")}
def waits(configuration):
    with open("pid", "w") as file: file.write(str(os.getpid()))
    time.sleep(600)
def grows(configuration):
    held = [bytearray(b"x" * 2**20) for _ in range(400)]
    time.sleep(600)
"""
CORE = min(os.sched_getaffinity(0))
NODE = Node("here", (CORE, CORE, CORE), (), 64.0)
PATIENCE_SECONDS = 60.0


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    made = stand_ins(tmp_path / "programs", "apptainer", "podman-hpc", "shifter")
    monkeypatch.setenv("PATH", made.path)
    monkeypatch.setenv("PYTHONPATH", "/of/this/machine")
    (tmp_path / "problem").mkdir()
    (tmp_path / "problem" / "contained_module.py").write_text(MODULE)
    return made


def by_process() -> Executor:
    return ProcessExecutor(Packing([NODE]), NodePool((NODE,), "CUDA_VISIBLE_DEVICES"), 0.5)


@pytest.fixture
def executor() -> Iterator[Executor]:
    made = by_process()
    yield made
    made.close()


def work(
    programs: StandIns,
    number: int,
    function: str | None,
    arguments: list[str] | None = None,
    memory_gib: float = 0.0,
    **container: object,
) -> Prepared:
    folder = programs.folder.parent
    shape = Resources(memory_gib=memory_gib)
    claim = Claim(number, 1, "c", number, 1, f"token.{os.getpid()}.{number}", {"x": number}, shape, None)
    full = None if function is None else f"contained_module:{function}"
    attempt = folder / "runs" / "000" / f"{number:06d}-1"
    one = prepared(claim, arguments, full, str(folder / "problem"), str(attempt), {})
    asked = {"image": programs.image, "program": "apptainer", **container}
    request = replace(one.request, problem_directory=str(folder / "problem"), container=asked)
    return Prepared(claim, request)


def ended(executor: Executor, number: int) -> list[Ended]:
    found: list[Ended] = []
    wait_until(lambda: found.extend(executor.poll(0.2)) or len(found) >= number, PATIENCE_SECONDS)
    return found


def metrics(one: Ended) -> dict[str, object]:
    assert isinstance(one, Outcome), one
    assert one.failure is None, one.error
    return dict(one.metrics)


def test_functions_share_one_container_and_one_import(executor: Executor, programs: StandIns) -> None:
    """Starting a container and importing a framework take seconds, which each evaluation would pay."""
    check_that_they_share(executor, programs)


def test_workers_of_a_pool_start_containers_too(programs: StandIns, tmp_path: Path) -> None:
    """The same supervisors; Parsl itself stays outside. What does not start is told there as well."""
    node_pool = NodePool((NODE,), "CUDA_VISIBLE_DEVICES")
    executor = ParslExecutor(Packing([NODE]), node_pool, 0.5, tmp_path / "pools", 1)
    try:
        check_that_they_share(executor, programs)
        check_what_does_not_start(executor, programs, {"python": "no-python-here"}, "no-python-here")
    finally:
        executor.close()


def check_that_they_share(executor: Executor, programs: StandIns) -> None:
    found = []
    for number in range(1, 5):
        assert executor.start(*work(programs, number, "where"))
        found += ended(executor, 1)
    told = [metrics(one) for one in found]
    assert [one.objective for one in found if isinstance(one, Outcome)] == [1, 2, 3, 4]
    assert len({one["parent"] for one in told}) == 1
    assert len({one["pid"] for one in told}) == 4
    assert {one["namespace"] for one in told}.isdisjoint({str(Path("/proc/self/ns/pid").readlink())})
    assert all(
        (one["container"], one["pythonpath"], one["executable"], one["seen"], one["threads"])
        == ("stand-in", "", "/usr/bin/python3", False, "1")
        for one in told
    )
    assert len(programs.calls) == 1
    assert (programs.folder.parent / "problem" / "contained_module.py.imports").read_text() == "x"


@pytest.mark.parametrize("program", ["podman-hpc", "shifter"])
def test_each_program_understands_what_it_is_told(
    program: str, executor: Executor, programs: StandIns
) -> None:
    """The options differ, what runs inside does not."""
    image = f"local:{programs.image}" if program == "shifter" else programs.image
    executor.start(*work(programs, 1, "where", program=program, image=image))
    assert metrics(ended(executor, 1)[0])["container"] == "stand-in"
    assert [call[0] for call in programs.calls] == [program]


def test_commands_share_one_container_too(executor: Executor, programs: StandIns) -> None:
    """A command is a process of the container's supervisor; its own interpreter is the image's."""
    script = "import os, sys; print('AMBS-RESULT:', os.getppid()); sys.stderr.write(os.environ['CONTAINER'])"
    for number in (1, 2):
        executor.start(*work(programs, number, None, ["python3", "-c", script]))
    first, second = ended(executor, 2)
    assert isinstance(first, Outcome)
    assert isinstance(second, Outcome)
    assert first.objective == second.objective == 1  # the first process of the container
    assert len(programs.calls) == 1
    log = programs.folder.parent / "runs" / "000" / "000001-1" / "stderr"
    assert log.read_text() == "stand-in"


def test_commands_need_no_python_in_the_image(executor: Executor, programs: StandIns) -> None:
    """Then each is a container of its own, started in its folder under a supervisor of the node."""
    for number in (1, 2):
        command = ["sh", "-c", "pwd; echo AMBS-RESULT: $$"]
        executor.start(*work(programs, number, None, command, python=""))
    told = ended(executor, 2)
    assert [one.objective for one in told if isinstance(one, Outcome)] == [1, 1]
    assert len(programs.calls) == 2
    folder = programs.folder.parent / "runs" / "000" / "000001-1"
    assert (folder / "stdout").read_text().splitlines()[0] == str(folder)


def test_ranks_are_started_by_the_nodes_own_launch_command(programs: StandIns) -> None:
    """The hybrid model: the launch command is outside, each rank is a container with the image's library."""

    def launch_ranks(_shares: object, per_node: int, _variables: object) -> list[str]:
        return [
            "sh",
            "-c",
            f'for rank in $(seq {per_node}); do PMI_RANK=$((rank - 1)) "$@" & done; wait',
            "sh",
        ]

    pool = NodePool((NODE,), "CUDA_VISIBLE_DEVICES", launch_ranks=launch_ranks)
    executor = ProcessExecutor(Packing([NODE]), pool, 0.5)
    script = "echo rank $PMI_RANK $CONTAINER; [ $PMI_RANK = 1 ] || echo AMBS-RESULT: 3"
    one = work(programs, 1, None, ["sh", "-c", script])
    shape = Resources(ranks_per_node=2)
    try:
        executor.start(replace(one.claim, resources=shape), replace(one.request, has_ranks=True))
        (told,) = ended(executor, 1)
    finally:
        executor.close()
    assert isinstance(told, Outcome)
    assert (told.objective, told.failure) == (3, None), told.error
    lines = Path(one.folder, "stdout").read_text().splitlines()
    assert {"rank 0 stand-in", "rank 1 stand-in"} <= set(lines)
    assert len(programs.calls) == 2


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ({"program": "podman-hpc", "image": "no/such:image"}, "could not open image no/such:image"),
        ({"python": "no-python-here"}, "no-python-here"),
    ],
)
def test_container_that_does_not_start_consumes_nothing(
    container: dict[str, object], words: str, executor: Executor, programs: StandIns
) -> None:
    """A missing image would fail every evaluation of the campaign; its program's words say why."""
    check_what_does_not_start(executor, programs, container, words)


def check_what_does_not_start(
    executor: Executor, programs: StandIns, container: dict[str, object], words: str
) -> None:
    executor.start(*work(programs, 9, "where", **container))
    first, second = ended(executor, 2)
    assert isinstance(first, Unloadable)
    what = "runs in a container that does not start"
    assert (first.function, first.what) == ("contained_module:where", what)
    assert words in first.error.partition("\nsaid: ")[2]
    assert second == Interrupted(9, 1, f"it {what}", started=False)


def test_commands_whose_container_does_not_start_are_given_back(
    executor: Executor, programs: StandIns
) -> None:
    """No function names their campaign; its folder does."""
    executor.start(*work(programs, 1, None, ["true"], program="podman-hpc", image="no/such"))
    first, second = ended(executor, 2)
    assert isinstance(first, Unloadable)
    assert (first.function, first.directory) == (None, str(programs.folder.parent / "problem"))
    assert isinstance(second, Interrupted)
    assert not second.started


def test_missing_image_is_told_at_once(executor: Executor, programs: StandIns) -> None:
    """A file that is not there needs no container to be tried."""
    with pytest.raises(
        ContainerUnusable, match=r"There is no image .*/problem/missing\.sif\. Build it there"
    ):
        executor.start(*work(programs, 1, "where", image="missing.sif"))


def test_memory_and_stops_reach_into_the_container(executor: Executor, programs: StandIns) -> None:
    """The limits are kept by the supervisor inside, where the processes have other numbers."""
    executor.start(*work(programs, 1, "grows", memory_gib=0.1))
    (grown,) = ended(executor, 1)
    assert isinstance(grown, Outcome)
    assert grown.failure is FailureKind.OUT_OF_MEMORY
    executor.start(*work(programs, 2, "waits"))
    pid = programs.folder.parent / "runs" / "000" / "000002-1" / "pid"
    wait_until(lambda: pid.exists() and bool(pid.read_text()), PATIENCE_SECONDS)
    executor.cancel([2], 0.5)
    assert ended(executor, 1) == [Interrupted(2, 1, "stopped")]


def test_attempts_in_containers_can_be_told_from_outside(executor: Executor, programs: StandIns) -> None:
    """A dead launcher's successor ends what that left by these marks, whatever namespace it is in."""
    executor.start(*work(programs, 1, "waits"))
    pid = programs.folder.parent / "runs" / "000" / "000001-1" / "pid"
    wait_until(lambda: pid.exists() and bool(pid.read_text()), PATIENCE_SECONDS)
    assert kill_marked([mark_of(f"token.{os.getpid()}.1")]) == 1
    (one,) = ended(executor, 1)
    assert isinstance(one, Outcome)
    assert (one.failure, one.exit_status) == (FailureKind.ERROR, -9)


ALONE = """
import sys
from pathlib import Path
from ambs_hpc.identity import this_process
from ambs_hpc.launcher.supervisor.orphan_reaper import start_orphan_reaper
from tests.containers import test_executors as test
from tests.containers.programs import StandIns
lifeline = start_orphan_reaper(str(this_process()))
programs = StandIns(Path(sys.argv[1]))
executor = test.by_process()
executor.start(*test.work(programs, 1, "waits"))
sleeps = ["sh", "-c", "echo > pid; (setsid sleep 613 &); sleep 614"]
executor.start(*test.work(programs, 2, None, sleeps))
executor.poll(0.0)
executor.start(*test.work(programs, 3, None, sleeps, python=""))
while True:
    executor.poll(1.0)
"""


def test_no_container_survives_a_killed_launcher(programs: StandIns) -> None:
    """Its end closes the standard input of the supervisor inside, which then ends with all that it runs."""
    launcher = subprocess.Popen([sys.executable, "-c", ALONE, str(programs.folder)])
    runs = programs.folder.parent / "runs" / "000"
    wait_until(lambda: all((runs / f"00000{one}-1" / "pid").exists() for one in (1, 2, 3)), PATIENCE_SECONDS)
    inside = [pid for pid in started_by(launcher) if b"CONTAINER=stand-in" in environment_of(pid)]
    assert len(inside) >= 8  # two supervisors, a fork, two shells with their sleeps
    launcher.kill()
    launcher.wait()
    wait_until(lambda: not started_by(launcher), PATIENCE_SECONDS)


def started_by(launcher: subprocess.Popen[bytes]) -> list[int]:
    """All that a launcher has started, in whatever namespace."""
    owner = re.compile(rb"AMBS_LAUNCHER=[^:]*:%d:" % launcher.pid)
    return [pid for pid in all_processes() if any(map(owner.match, environment_of(pid)))]
