"""Evaluations whose supervisor is a rank of a launch command are none themselves: tried with a real MPI."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pytest

from ambs_hpc.launcher.executors.parsl.executor import ParslExecutor
from ambs_hpc.launcher.executors.process import ProcessExecutor
from ambs_hpc.launcher.executors.protocol import Ended, Executor
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.launcher.packing import Node, Packing, Share
from ambs_hpc.records import Claim, Outcome, Resources
from tests.databases import wait_until
from tests.launcher.prepared import Prepared, prepared

MPIEXEC = (str(Path(sys.executable).parent / "mpiexec"), "-launcher", "fork", "-n")
LIBRARY = Path(sys.prefix) / "lib" / "libmpi.so.12"
# As all programs do that are linked with MPI, a parallel HDF5 or PETSc among them; by the library, so that
# nothing has to be compiled. Its functions read the environment of C, not that of Python.
PROGRAM = f"""
import ctypes, os
def initialise(configuration):
    mpi, size = ctypes.CDLL({str(LIBRARY)!r}), ctypes.c_int()
    world = ctypes.c_int(0x44000000)  # MPI_COMM_WORLD of all MPICHs
    assert mpi.MPI_Init(None, None) == 0 and mpi.MPI_Comm_size(world, ctypes.byref(size)) == 0
    print("size", size.value, os.environ.get("PMI_NO_FORK"), flush=True)
    mpi.MPI_Finalize()
    return size.value
if __name__ == "__main__":
    size = initialise({{}})
    if os.environ.get("PMI_RANK", "0") == "0":
        print(f"AMBS-RESULT: {{size}}")
"""
CORE = min(os.sched_getaffinity(0))
WAIT_SECONDS = 40

pytestmark = pytest.mark.skipif(not LIBRARY.exists(), reason="needs the MPICH of PyPI")


def launch_on(_node: str) -> Sequence[str]:
    return (*MPIEXEC, "1")


def launch_ranks(shares: Sequence[Share], per_node: int, _variables: Collection[str]) -> Sequence[str]:
    return (*MPIEXEC, str(len(shares) * per_node))


@pytest.fixture(params=["process", "parsl"])
def executor(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Executor]:
    monkeypatch.setenv("PMI_NO_FORK", "1")
    nodes = (Node("there", (CORE,)),)
    node_pool = NodePool(nodes, "CUDA_VISIBLE_DEVICES", launch_on, launch_ranks, lambda _: launch_on(""))
    made: Executor = (
        ProcessExecutor(Packing(nodes), node_pool, 0.5)
        if request.param == "process"
        else ParslExecutor(Packing(nodes), node_pool, 0.5, tmp_path / "pool")
    )
    yield made
    made.close()


def work(
    folder: Path, number: int, *, is_command: bool = False, resources: Resources | None = None
) -> Prepared:
    file = folder / "linked_with_mpi.py"
    file.write_text(PROGRAM)
    resources = resources or Resources()
    claim = Claim(number, 1, "c", number, 1, f"token.{number}", {}, resources, 30.0)
    arguments = [sys.executable, str(file)] if is_command else None
    function = None if is_command else "linked_with_mpi:initialise"
    return prepared(claim, arguments, function, str(folder), str(folder / f"attempt-{number}"), {})


def ended(executor: Executor) -> Outcome:
    found: list[Ended] = []
    wait_until(lambda: found.extend(executor.poll(0.05)) or bool(found), WAIT_SECONDS)
    assert isinstance(found[0], Outcome), found
    return found[0]


def test_mpi_starts_alone_in_an_evaluation(executor: Executor, tmp_path: Path) -> None:
    """Its supervisor is a rank, and MPI would talk to the process manager of that rank, or die."""
    for number, is_command in enumerate((False, True)):
        one = work(tmp_path, number, is_command=is_command)
        assert executor.start(*one)
        outcome = ended(executor)
        assert (outcome.failure, outcome.objective) == (None, 1.0), outcome.error
        assert "size 1 1\n" in (Path(one.folder) / "stdout").read_text(), "what a person set is still there"


@pytest.mark.parametrize("executor", ["process"], indirect=True)
def test_ranks_find_each_other(executor: Executor, tmp_path: Path) -> None:
    """Their own launch command gives them what was taken from evaluations of one process."""
    assert executor.start(*work(tmp_path, 1, is_command=True, resources=Resources(ranks_per_node=2)))
    outcome = ended(executor)
    assert (outcome.failure, outcome.objective) == (None, 2.0), outcome.error


def test_a_launcher_that_is_a_rank_itself_starts_no_ranks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`mpiexec -n 1 ambs launch`: supervisors of its own node are not started by a launch command."""
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setenv("PMI_FD", "99")
    nodes = (Node("here", (CORE,)),)
    executor = ProcessExecutor(Packing(nodes), NodePool(nodes, "CUDA_VISIBLE_DEVICES"), 0.5)
    try:
        executor.start(*work(tmp_path, 1))
        assert ended(executor).objective == 1.0
    finally:
        executor.close()
