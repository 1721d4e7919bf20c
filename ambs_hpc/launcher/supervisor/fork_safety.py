"""Whether forks of this process work, after a person's module was imported into it.

Threads do not exist in a fork. Once a parallel region of OpenMP has run, libgomp waits in a fork for the
threads of its pool, without end; other runtimes start theirs anew. Threads alone prove nothing: OpenBLAS has
some as soon as it is loaded, and handles forks. So a region is tried, in a fork that is killed when it hangs.
Of GPUs nothing is tried: their drivers refuse to serve the forks of a process that they serve.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import select
import signal
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from ambs_hpc.launcher.supervisor import process_tree

GPU_DEVICE = re.compile(r"/dev/(nvidia|kfd$|dri/renderD)")  # of NVIDIA; of AMD; of AMD and Intel
OPENMP_RUNTIME = re.compile(r"lib[gi]?omp5?[-.].*")  # of GNU, LLVM and Intel; wheels carry renamed copies
ALLOCATOR_THREAD = (
    "jemalloc_bg_thd"  # of Arrow, which comes with pandas: it handles forks, and frees memory only
)
TRIAL_SECONDS = 5.0  # a region takes microseconds, but the node may be crowded
TRIAL_THREADS = 2  # a region of one thread does without the pool

_libc = ctypes.CDLL(None)


def obstacle_to_forking() -> str | None:
    """What makes forks of this process hang or fail, in words; None when no such thing is found.

    A process with threads is forked once for that, which takes milliseconds, or TRIAL_SECONDS if that hangs.
    """
    devices = gpu_devices(_open_files())
    if devices:
        return f"its import left a GPU in use ({', '.join(devices)}), which a fork cannot use"
    if _thread_count() == 1:
        return None
    runtimes = openmp_runtimes(Path("/proc/self/maps").read_text(errors="replace"))
    if _can_run_in_fork(runtimes):
        return None
    names = ", ".join(Path(one).name for one in runtimes) or "a library's handler of forks"
    return f"its import left threads without which a fork hangs or breaks ({names})"


def threads_missed_in_forks() -> list[str]:
    """Threads that forks of this process lack, in words: whether that matters only their owners know.

    To be asked after a fork: libraries that handle forks, such as OpenBLAS, have ended theirs for it.
    """
    main = threading.main_thread()
    names = [one.name for one in threading.enumerate() if one is not main]
    of_libraries = _thread_count() - 1 - len(names) - _threads_called(ALLOCATOR_THREAD)
    return [*names, f"{of_libraries} of libraries"] if of_libraries > 0 else names


def _threads_called(name: str) -> int:
    found = 0
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # it has just ended
            found += (task / "comm").read_text().strip() == name
    return found


def gpu_devices(files: Iterable[str]) -> list[str]:
    """Those of the files that are GPUs, sorted: none is opened before a library takes hold of its GPU."""
    return sorted({file for file in files if GPU_DEVICE.match(file)})


def openmp_runtimes(maps: str) -> list[str]:
    """Paths of the OpenMP runtimes in the text of /proc/PID/maps, sorted; one process may have several."""
    paths = {words[5] for line in maps.splitlines() if len(words := line.split(maxsplit=5)) == 6}
    return sorted(path for path in paths if OPENMP_RUNTIME.fullmatch(path.rpartition("/")[2]))


def _can_run_in_fork(runtimes: Sequence[str]) -> bool:
    """Whether a fork comes back from a parallel region of each of the runtimes."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _try_regions(runtimes, writer)
    os.close(writer)
    poll = select.poll()  # select knows descriptors below 1024 only
    poll.register(reader, select.POLLIN)
    poll.poll(1000 * TRIAL_SECONDS)  # readable when the fork has ended
    os.close(reader)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1] == 0


def _try_regions(runtimes: Sequence[str], end: int) -> NoReturn:
    status = 1
    try:
        process_tree.close_descriptors(but=end)  # should we outlive our parent, nobody may wait for our end
        for path in runtimes:
            with contextlib.suppress(OSError, AttributeError):  # replaced on disk, or of a kind unknown to us
                _run_region(ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_NOLOAD))
        status = 0
    finally:
        os._exit(status)


def _run_region(runtime: ctypes.CDLL) -> None:
    """Run what compilers make of `#pragma omp parallel`, around a function that does nothing: free(NULL).

    Source: libgomp's manual, "Implementing PARALLEL construct"; LLVM's and Intel's runtimes have it as well.
    """
    region = runtime.GOMP_parallel
    region.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    region(ctypes.cast(_libc.free, ctypes.c_void_p), None, TRIAL_THREADS, 0)


def _open_files() -> list[str]:
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the one by which they are listed
            found.append(str(descriptor.readlink()))
    return found


def _thread_count() -> int:
    return sum(1 for _ in Path("/proc/self/task").iterdir())
