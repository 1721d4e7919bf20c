"""Whether nodes can still be reached, found out beside the loop."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Collection

from ambs_hpc.launcher.environment import inherited_environment
from ambs_hpc.launcher.node_pool import LaunchOn

PATIENCE_SECONDS = 60.0  # a launch command may take so long to give a dead node up
PROGRAM = "true"


class Probe:
    """Starts a program that does nothing on each node."""

    def __init__(self, reach: LaunchOn, nodes: Collection[str]) -> None:
        """`reach`: the command that starts a program on a node; () for this one, which is not asked."""
        self._give_up_at = time.monotonic() + PATIENCE_SECONDS
        commands = {node: reach(node) for node in nodes}
        self._asked = {node: _start([*command, PROGRAM]) for node, command in commands.items() if command}

    @property
    def pids(self) -> set[int]:
        """The ids of its processes, which nobody else may wait for."""
        return {process.pid for process in self._asked.values()}

    def lost(self) -> list[str] | None:
        """Nodes on which nothing starts any more; None while that is not known."""
        ended = {node: process.poll() for node, process in self._asked.items()}
        if None in ended.values() and time.monotonic() < self._give_up_at:
            return None
        self.close()
        return [node for node, status in ended.items() if status != 0]

    def close(self) -> None:
        """Kill the probes that still run."""
        for process in self._asked.values():
            if process.poll() is None:
                process.kill()
                process.wait()


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env=inherited_environment(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
