"""What this machine has: processors we may use, GPUs we may see, memory."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

from ambs_hpc.launcher.environment import GPU_VARIABLES
from ambs_hpc.launcher.packing import Node

ASK_GPUS_SECONDS = 20
NO_GPUS = ("NoDevFiles", "void", "none")  # of older Slurm, and of container runtimes


def this_machine(slots: int | None, gpus: int | None, *, largest_cores: int = 1) -> Node:
    """This host as a node.

    Args:
        slots: evaluations that shall run at once; processors are then shared when there are too few.
        gpus: number of GPUs; None looks for them.
        largest_cores: cores of one evaluation, for that sharing.
    """
    cores = sorted(os.sched_getaffinity(0))
    wanted = (slots or 0) * largest_cores
    shared = [cores[index % len(cores)] for index in range(max(wanted, len(cores)))]
    ids = gpu_ids() if gpus is None else tuple(str(index) for index in range(gpus))
    return Node(socket.gethostname(), tuple(shared), ids, memory_gib())


def gpu_variable() -> str:
    """The one variable by which an evaluation's GPUs are named on this machine."""
    for name in GPU_VARIABLES:
        if os.environ.get(name):
            return name
    if Path("/dev/kfd").exists() and not Path("/dev/nvidiactl").exists():
        return "ROCR_VISIBLE_DEVICES"
    return GPU_VARIABLES[0]


def gpu_ids() -> tuple[str, ...]:
    """The GPUs that we were given, else all that NVIDIA's tool lists."""
    given = os.environ.get(gpu_variable())
    if given is not None:
        return visible_gpus(given)
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        listed = subprocess.run(
            [program, "--query-gpu=index", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=ASK_GPUS_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(listed.stdout.split()) if listed.returncode == 0 else ()


def visible_gpus(value: str) -> tuple[str, ...]:
    """The GPUs that a vendor's variable names; -1 hides itself and all behind it."""
    if value.strip() in NO_GPUS:
        return ()
    names = [part.strip() for part in value.split(",")]
    if "-1" in names:
        names = names[: names.index("-1")]
    return tuple(name for name in names if name)


def memory_gib() -> float:
    """Physical memory, or this control group's limit when that is smaller."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = [pages]
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limits.append(int(Path(file).read_text()))
        except (OSError, ValueError):  # absent, or "max"
            continue
    return min(limits) / 2**30
