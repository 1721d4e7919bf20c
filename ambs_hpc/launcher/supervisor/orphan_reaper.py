"""A process that outlives a killed launcher just long enough to kill what it left behind."""

from __future__ import annotations

import os
import signal

from ambs_hpc.identity import this_process
from ambs_hpc.launcher.supervisor import process_tree

DEATH_SECONDS = (
    0.5  # supervisors see the launcher's end by themselves; this is for those killed at the same instant
)


def start_orphan_reaper() -> int:
    """Fork it; the descriptor returned is open as long as we live, and its end is the signal.

    Commands are started without a parent-death signal, which would double the cost of starting one: should
    the launcher and a supervisor be killed together, nobody else would know of them.
    """
    mark = f"{process_tree.TOKEN_VARIABLE}={this_process()}.".encode()
    reading, writing = os.pipe()  # neither is inherited by programs that we start
    if os.fork():
        os.close(reading)
        return writing
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        _close_all_but(reading)
        os.read(reading, 1)
        kill_marked(mark)
    finally:
        os._exit(0)


def _close_all_but(kept: int) -> None:
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX") if kept < 1024 else kept + 1024)


def kill_marked(mark: bytes) -> None:
    """Kill every process of this machine that was started with a variable that begins so."""
    import time

    time.sleep(DEATH_SECONDS)
    for pid in process_tree.all_processes():
        if any(entry.startswith(mark) for entry in process_tree.environment_of(pid)):
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
