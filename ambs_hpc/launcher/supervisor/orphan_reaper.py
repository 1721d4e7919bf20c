"""A process that outlives a killed launcher just long enough to kill what it left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection

from ambs_hpc.launcher.supervisor import process_tree

DEATH_SECONDS = (
    0.5  # supervisors see the launcher's end by themselves; this is for those killed at the same instant
)


def start_orphan_reaper(owner: str) -> int:
    """Fork the reaper; it acts when the returned descriptor is closed, at the latest by our death.

    Args:
        owner: the value of LAUNCHER_VARIABLE in the environment of all that we start.

    What commands have started, and brief commands themselves, carry no parent-death signal: should the
    launcher and a supervisor be killed together, nobody else would know of them.
    """
    mark = f"{process_tree.LAUNCHER_VARIABLE}={owner}".encode()
    reading, writing = os.pipe()  # neither is inherited by programs that we start
    if os.fork():
        os.close(reading)
        return writing
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        process_tree.close_descriptors(but=reading)
        os.read(reading, 1)
        time.sleep(DEATH_SECONDS)
        kill_marked([mark])
    finally:
        os._exit(0)


def kill_marked(marks: Collection[bytes]) -> int:
    """Kill every process of this machine whose environment has one of the entries; how many there were."""
    killed = 0
    for pid in process_tree.all_processes():
        if not set(process_tree.environment_of(pid)).isdisjoint(marks):
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
            killed += 1
    return killed
