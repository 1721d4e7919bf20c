"""What this machine has: processors we may use, GPUs we may see, memory."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ambs_hpc.launcher.environment import GPU_VARIABLES
from ambs_hpc.launcher.hardware.control_group import memory_limit_bytes, processor_limit
from ambs_hpc.launcher.hardware.gpu_devices import amd_gpus, intel_gpus, nvidia_gpus
from ambs_hpc.launcher.packing import Node

# Of older Slurm, of container runtimes, and of people.
NO_GPUS = ("nodevfiles", "void", "none", "null", "no")
_NVIDIA, _AMD, _, _INTEL = GPU_VARIABLES
_ROOT = Path("/")
_LAST_PROCESSOR_FIELD = 39  # proc(5): the processor that a process was last on


def this_machine(slots: int | None, gpus: int | Sequence[str] | None, *, largest_cores: int = 1) -> Node:
    """This host as a node.

    Args:
        slots: evaluations that shall run at once; processors are then shared when there are too few.
        gpus: names of GPUs, or how many; None looks for them.
        largest_cores: cores of one evaluation, for that sharing.
    """
    cores = usable_cores(sorted(os.sched_getaffinity(0)), processor_limit(), _last_processor())
    wanted = (slots or 0) * largest_cores
    shared = [cores[index % len(cores)] for index in range(max(wanted, len(cores)))]
    if isinstance(gpus, int):
        gpus = [str(index) for index in range(gpus)]
    names = gpu_ids() if gpus is None else tuple(gpus)
    return Node(socket.gethostname(), tuple(shared), names, memory_gib())


def usable_cores(allowed: Sequence[int], limit: float | None, here: int) -> list[int]:
    """As many of the allowed processors as there is processor time for, at least one.

    Args:
        allowed: numbers of processors, ascending; not empty.
        limit: processor time, seconds per second; None without a limit.
        here: the first to take, if it is allowed. Containers side by side see all processors of their
            machine: were each to take the lowest numbers, all would crowd on the same ones.
    """
    number = len(allowed) if limit is None else min(len(allowed), max(1, int(limit)))
    if number == len(allowed):
        return list(allowed)
    first = allowed.index(here) if here in allowed else 0
    return sorted(allowed[(first + index) % len(allowed)] for index in range(number))


def granted_cores(
    usable: Sequence[int], physical: int, threads_per_core: int, processors: int, allowed: Collection[int]
) -> tuple[int, ...]:
    """The cores of a node on which an allocation may use so many processors.

    Schedulers count hardware threads, or cores where an allocation gets one thread of each: a number above
    that of the cores can only mean threads.

    Args:
        usable: numbers of the cores that evaluations may use, as the site describes the node.
        physical: cores of the node, with those that the site keeps from evaluations.
        processors: what the scheduler grants there.
        allowed: numbers of the processors of a node of the same allocation, where they are known; cores that
            the system keeps for itself, and the site file does not name, are missing there.
    """
    is_threads = processors > physical
    number = max(1, min(len(usable), processors // threads_per_core if is_threads else processors))
    there = [core for core in usable if core in allowed]
    return tuple((there if len(there) >= number else usable)[:number])


def granted_processors(here: Sequence[int], granted_here: int, granted: int) -> tuple[int, ...]:
    """The processors of a node of which only the number is known, named after those of this node.

    Where a name does not exist on that node, an evaluation is not bound to it.

    Args:
        here: the processors that we may use on this node.
        granted_here: the scheduler's number for this node; more than there are in `here` when something else
            limits us, which then holds for other nodes too.
        granted: its number for the other node.
    """
    is_limited = granted_here > len(here)
    number = max(1, len(here) * granted // granted_here if is_limited else granted)
    further = (core for core in itertools.count() if core not in here)
    return (*here[:number], *itertools.islice(further, max(0, number - len(here))))


def gpu_variable(environ: Mapping[str, str] = os.environ, root: Path = _ROOT) -> str:
    """The one variable by which an evaluation's GPUs are named on this machine.

    Args:
        root: where /dev and /sys are found.
    """
    for name in GPU_VARIABLES:
        if environ.get(name):
            return name
    if not (root / "dev/nvidiactl").exists():
        if amd_gpus(root):
            return _AMD
        if intel_gpus(root):
            return _INTEL
    return _NVIDIA


def gpu_ids(environ: Mapping[str, str] = os.environ, root: Path = _ROOT) -> tuple[str, ...]:
    """The GPUs that we were given, else all of this machine's vendor.

    Args:
        root: where /dev and /sys are found.
    """
    variable = gpu_variable(environ, root)
    given = environ.get(variable)
    if given is not None:
        return visible_gpus(given)
    if variable == _NVIDIA:
        return nvidia_gpus()
    return tuple(map(str, range(amd_gpus(root) if variable == _AMD else intel_gpus(root))))


def visible_gpus(value: str) -> tuple[str, ...]:
    """The GPUs that a vendor's variable names; -1 hides itself and all behind it."""
    if value.strip().lower() in NO_GPUS:
        return ()
    names = [part.strip() for part in value.split(",")]
    if "-1" in names:
        names = names[: names.index("-1")]
    return tuple(name for name in names if name)


def memory_gib() -> float:
    """Physical memory, or the limit of the control groups around us when that is smaller."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = memory_limit_bytes()
    return (physical if limit is None else min(physical, limit)) / 2**30


def _last_processor() -> int:
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()  # the name may hold blanks
    return int(fields[_LAST_PROCESSOR_FIELD - 3])
