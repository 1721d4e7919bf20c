"""Parsl's manager of the workers on a node, whose helper ends with it: `manager_main OPTIONS OF PARSL`."""

from __future__ import annotations

import os
import runpy
from functools import partialmethod
from multiprocessing.managers import BaseManager, SyncManager

from ambs_hpc.launcher.supervisor.process_tree import die_with_parent

PROGRAM = "parsl.executors.high_throughput.process_worker_pool"


def main() -> None:
    """Serve as Parsl's program does.

    It starts a server of Python's for what its workers share. Should the manager be killed, that server and
    the tracker of its semaphores, which waits for its end, would live on for ever.
    """
    mortal = partialmethod(BaseManager.start, die_with_parent, (os.getpid(),))
    SyncManager.start = mortal  # type: ignore[assignment, method-assign]  # Parsl starts it without arguments
    runpy.run_module(PROGRAM, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
