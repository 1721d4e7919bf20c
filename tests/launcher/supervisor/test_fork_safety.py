"""Modules whose forks would hang or fail are found when they are imported, and run without forks."""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ambs_hpc.launcher.supervisor import fork_safety
from ambs_hpc.launcher.supervisor.client import SupervisorClient, SupervisorKey, wait_for_any
from ambs_hpc.launcher.supervisor.messages import AttemptReport, StartRequest
from tests.databases import wait_until

# An evaluation says whether the module was imported by its own process.
MODULE = """
import os
importer = os.getpid()
def f(configuration):
    again()
    return {"objective": configuration["x"], "is_forked": os.getpid() != importer}
def again(): pass
"""
OPENMP_AT_IMPORT = """
import ctypes
gomp, free = ctypes.CDLL(LIBRARY), ctypes.cast(ctypes.CDLL(None).free, ctypes.c_void_p)
def again(): gomp.GOMP_parallel(free, None, 2, 0)
again()
"""
GPU_AT_IMPORT = """
import re
from ambs_hpc.launcher.supervisor import fork_safety
fork_safety.GPU_DEVICE = re.compile("/dev/zero")
gpu = open("/dev/zero")
"""
OPENBLAS_AT_IMPORT = """
import numpy
matrix = numpy.ones((500, 500)) @ numpy.ones((500, 500))
assert len(os.listdir("/proc/self/task")) > 1
def again(): matrix @ matrix
"""
OPENMP_LOADED = "import sklearn.ensemble\n" + OPENBLAS_AT_IMPORT
PYTHON_THREAD_AT_IMPORT = """
import threading
threading.Thread(target=threading.Event().wait, name="writer", daemon=True).start()
"""


class Supervised:
    """A supervisor that forks a function of a module, and what its launcher hears."""

    def __init__(self, folder: Path, source: str) -> None:
        (folder / "objective_module.py").write_text(MODULE + source)
        self._folder = folder
        key = SupervisorKey("objective_module:f", str(folder), 2, None)
        threads = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
        self.client = SupervisorClient(key, {**os.environ, **threads})

    def start(self, number: int) -> None:
        self.client.start(
            StartRequest(
                number,
                1,
                {"x": float(number)},
                str(self._folder / f"attempt-{number}"),
                None,
                function="objective_module:f",
                module_directory=str(self._folder),
                time_limit_seconds=30.0,
            )
        )

    def reports(self, count: int) -> list[AttemptReport]:
        heard: list[AttemptReport] = []

        def has_all() -> bool:
            wait_for_any([self.client], 0.1)
            heard.extend(one for one in self.client.receive() if isinstance(one, AttemptReport))
            return len(heard) >= count or self.client.is_dead

        wait_until(has_all, timeout_seconds=60.0)
        return sorted(heard, key=lambda one: one.id)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[list[Supervised]]:
    """Supervisors that end with the test."""
    started: list[Supervised] = []
    yield started
    for one in started:
        one.client.close()


def libgomp() -> str:
    """GNU's OpenMP: the copy in scikit-learn's wheel, else the system's."""
    spec = importlib.util.find_spec("sklearn")
    assert spec is not None
    assert spec.origin is not None
    copies = sorted(Path(spec.origin).parents[1].glob("scikit_learn.libs/libgomp*"))
    found = str(copies[0]) if copies else ctypes.util.find_library("gomp")
    return found or pytest.skip("no libgomp here")


@pytest.mark.parametrize("source", [OPENMP_AT_IMPORT, GPU_AT_IMPORT], ids=["openmp", "gpu"])
def test_module_that_cannot_be_forked_runs_without_forks(
    run: list[Supervised], tmp_path: Path, capfd: pytest.CaptureFixture[str], source: str
) -> None:
    """Nothing hangs or fails for it, those that waited included, and the remedy is named once."""
    if "LIBRARY" in source:
        source = source.replace("LIBRARY", repr(libgomp()))
    run.append(one := Supervised(tmp_path, source))
    one.start(1)
    one.start(2)
    first = one.reports(2)
    one.start(3)
    said = first + one.reports(1)
    assert [(each.objective, each.failure, each.stopped) for each in said] == [
        (1.0, None, ""),
        (2.0, None, ""),
        (3.0, None, ""),
    ]
    assert [each.metrics for each in said] == [{"is_forked": False}] * 3
    assert capfd.readouterr().err.count("warm=False") == 1


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="OpenBLAS has no threads on one core")
@pytest.mark.parametrize("source", ["", OPENBLAS_AT_IMPORT, OPENMP_LOADED], ids=["plain", "numpy", "sklearn"])
def test_usual_libraries_are_forked(
    run: list[Supervised], tmp_path: Path, capfd: pytest.CaptureFixture[str], source: str
) -> None:
    """OpenBLAS has threads as soon as numpy is loaded, and forks well: nobody is to hear of it."""
    run.append(one := Supervised(tmp_path, source))
    one.start(1)
    (report,) = one.reports(1)
    assert (report.objective, report.metrics) == (1.0, {"is_forked": True})
    assert capfd.readouterr().err == ""


def test_missing_threads_are_told(
    run: list[Supervised], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Most do not matter to an evaluation; for those that do the remedy is named."""
    run.append(one := Supervised(tmp_path, PYTHON_THREAD_AT_IMPORT))
    one.start(1)
    (report,) = one.reports(1)
    assert report.metrics == {"is_forked": True}
    said = capfd.readouterr().err
    assert "(writer)" in said
    assert said.count("warm=False") == 1


def test_fork_that_crashes_is_an_obstacle() -> None:
    """A library's own handler of forks may be what breaks."""
    program = (
        "import os, threading; from ambs_hpc.launcher.supervisor import fork_safety\n"
        "os.register_at_fork(after_in_child=os.abort)\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "assert 'breaks' in fork_safety.obstacle_to_forking()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_gpus_are_known_by_their_files() -> None:
    """Of every vendor; a display, a disk and a socket are none."""
    files = ["/dev/null", "/dev/dri/card0", "socket:[17]", "/home/me/dev/nvidia0", "/dev/kfdx", "/dev/nvme0"]
    assert fork_safety.gpu_devices(files) == []
    devices = ["/dev/dri/renderD128", "/dev/kfd", "/dev/nvidia-uvm", "/dev/nvidia0", "/dev/nvidiactl"]
    assert fork_safety.gpu_devices([*files, *reversed(devices), "/dev/kfd"]) == devices


def test_openmp_runtimes_are_found_among_mappings() -> None:
    """Wheels bring copies of their own, renamed; the path may contain blanks."""
    paths = [
        "/opt/my env/lib/libgomp.so.1.0.0",
        "/usr/lib/libiomp5.so",
        "/usr/lib/llvm/libomp.so.5",
        "/v/scikit_learn.libs/libgomp-e985bcbb.so.1.0.0",
    ]
    others = ["[heap]", "/usr/lib/libgompertz.so", "/usr/lib/libc.so.6", "/data/libomp-x/table.csv"]
    maps = "".join(f"7f00-7f01 r-xp 00000000 fe:00 1234    {path}\n" for path in [*others, *paths, *paths])
    assert fork_safety.openmp_runtimes(maps + "7f02-7f03 rw-p 00000000 00:00 0\n") == paths
