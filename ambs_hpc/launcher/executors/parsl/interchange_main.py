"""Parsl's interchange, which hands work to the nodes, ending with its launcher.

`python -m ambs_hpc.launcher.executors.parsl.interchange_main PID LOG`, with what Parsl says on the standard
input.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
import time

LOOK_SECONDS = 0.5
PROGRAM = "parsl.executors.high_throughput.interchange"


def main(launcher: int, log: str) -> None:
    """Serve in a session of its own: an interrupt at the terminal is for the launcher, which then drains."""
    os.setsid()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    threading.Thread(target=_end_with, args=(launcher,), daemon=True).start()
    sys.argv = [PROGRAM]
    runpy.run_module(PROGRAM, run_name="__main__", alter_sys=True)


def _end_with(launcher: int) -> None:
    """End this process with the launcher; managers that hear nothing more end by themselves."""
    while os.getppid() == launcher:
        time.sleep(LOOK_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
