"""Whether nodes can still be reached, and folders be written, found out beside the loop."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import time
from collections.abc import Collection, Mapping
from typing import IO

from ambs_hpc.launcher.environment import launch_environment
from ambs_hpc.launcher.executors.lookout import Lookout
from ambs_hpc.launcher.node_pool import LaunchOn
from ambs_hpc.launcher.supervisor.outcome import obstacle_to_writing
from ambs_hpc.launcher.supervisor.process_tree import waited_for
from ambs_hpc.schedulers.last_words import last_words

PATIENCE_SECONDS = 60.0  # a launch command may take so long to give a dead node up
DEATH_SECONDS = 2.0  # for launch commands to vanish that were killed, all of a probe together
PROGRAM = "true"
SAID_BYTES = 4000  # that are read of what launch commands say
LOOK_SECONDS = 3.0  # between two looks at a folder
ROOM_BYTES = 1 << 20  # that a folder must take before anything is started again: more than what failed


class Probe:
    """Starts a program that does nothing on each node."""

    def __init__(self, reach: LaunchOn, nodes: Collection[str]) -> None:
        """
        Args:
            reach: the command that starts a program on a node; () for this one, which is not asked.

        Raises:
            OSError: the system starts no process more, or opens no file more; no probe runs then.
        """
        self._give_up_at = time.monotonic() + PATIENCE_SECONDS
        commands = {node: reach(node) for node in nodes}
        # One for all, as there may be a thousand of them, and in memory, as disks may be full.
        self._said = os.fdopen(os.memfd_create("said by probes"), "w+b")
        self._asked: dict[str, subprocess.Popen[bytes]] = {}
        self.words = ""  # the launch command's own, when a node is lost
        try:
            for node, command in commands.items():
                if command:
                    self._asked[node] = _start([*command, PROGRAM], self._said)
        except OSError:
            self.close()
            raise
        waited_for.update(self.pids)

    @property
    def pids(self) -> set[int]:
        """The ids of its processes, which nobody else may wait for."""
        return {process.pid for process in self._asked.values()}

    def lost(self) -> list[str] | None:
        """Nodes on which nothing starts any more; None while that is not known."""
        ended = {node: process.poll() for node, process in self._asked.items()}
        if None in ended.values() and time.monotonic() < self._give_up_at:
            return None
        end = self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, end - SAID_BYTES))
        self.words = last_words(self._said.read().decode(errors="replace"))
        self.close()
        return [node for node, status in ended.items() if status != 0]

    def close(self) -> None:
        """Kill the probes that still run."""
        left = [process for process in self._asked.values() if process.poll() is None]
        for process in left:
            process.kill()
        dead_by = time.monotonic() + DEATH_SECONDS
        for process in left:
            with contextlib.suppress(subprocess.TimeoutExpired):  # it hangs in the kernel, and is left there
                process.wait(max(0.0, dead_by - time.monotonic()))
        waited_for.difference_update(self.pids)
        self._said.close()


def lost(nodes: Mapping[str, str]) -> list[str]:
    """Nodes that were given up, in words for people; [] for none.

    Args:
        nodes: each with what the launch command said that starts nothing there, "" where it said nothing.
    """
    failed = [node for node, words in nodes.items() if words]
    gone = [node for node in nodes if node not in failed]
    told = [f"nothing starts on {', '.join(failed)}: {nodes[failed[0]]}"] if failed else []
    return told + ([f"lost {', '.join(gone)}"] if gone else [])


class FolderProbe:
    """Looks every LOOK_SECONDS whether a folder can be written, until it can."""

    def __init__(self, folder: str) -> None:
        """`folder`: the run directory of the evaluations that could not write."""
        self.folder = folder
        self._lookout = Lookout(
            lambda: not obstacle_to_writing(folder, ROOM_BYTES, is_synced=True), LOOK_SECONDS
        )

    def is_writable(self) -> bool:
        """Whether it could be written when it was last looked at."""
        return self._lookout.is_yes()

    def was_writable(self) -> bool:
        """Whether it could be written at the first look, which alone tells what a node had to itself.

        A folder that everybody found full may have been cleared since.
        """
        return self._lookout.was_yes


def unwritable(run_directory: str, why: str) -> str:
    """In words for people, that nothing can be written there; `why` as the system says it."""
    is_full = why in (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
    until = "there is room" if is_full else "it can be written"
    return f"runs folder {run_directory}: {why}; nothing is started until {until}"


def _start(command: list[str], stderr: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env=launch_environment(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        start_new_session=True,
    )
