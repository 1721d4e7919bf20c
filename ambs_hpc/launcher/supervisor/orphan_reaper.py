"""A process that outlives a killed launcher just long enough to kill what it left behind."""

from __future__ import annotations

import os
import signal
import time

from ambs_hpc.launcher.supervisor import process_tree

DEATH_SECONDS = (
    0.5  # supervisors see the launcher's end by themselves; this is for those killed at the same instant
)


def start_orphan_reaper(owner: str) -> int:
    """Fork the reaper; it acts when the returned descriptor is closed, at the latest by our death.

    Args:
        owner: the value of LAUNCHER_VARIABLE in the environment of all that we start.

    Commands are started without a parent-death signal, which would double the cost of starting one: should
    the launcher and a supervisor be killed together, nobody else would know of them.
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
        kill_marked(mark)
    finally:
        os._exit(0)


def kill_marked(mark: bytes) -> None:
    """Kill every process of this machine whose environment has the entry `mark`."""
    time.sleep(DEATH_SECONDS)
    for pid in process_tree.all_processes():
        if mark in process_tree.environment_of(pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
