"""Start a command in a process, session and folder of its own, and hold any attempt to its limits."""

from __future__ import annotations

import functools
import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ambs_hpc.launcher.supervisor import process_tree

REQUEST = "request.json"  # read by `call`
LOG_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND
LOG_MODE = 0o644


@dataclass
class Running:
    """An attempt that runs; `pid` leads its session and process group."""

    request: Mapping[str, Any]
    pid: int
    started_at: float
    deadline: float  # monotonic; infinity without a limit
    ended_by: str | None = None  # who sent the first signal: "time", "memory", "stopped", "kernel" (memory)
    kill_at: float = field(default=float("inf"))

    @classmethod
    def now(cls, request: Mapping[str, Any], pid: int, started_at: float) -> Running:
        """One that has just been started; its time limit counts from now."""
        limit = request["time_limit_seconds"]
        return cls(request, pid, started_at, float("inf") if limit is None else time.monotonic() + limit)

    @property
    def id(self) -> int:
        return int(self.request["id"])

    @property
    def token(self) -> str:
        return str(self.request["environment"][process_tree.TOKEN_VARIABLE])

    @property
    def memory_bytes(self) -> int:
        return int(self.request["memory_bytes"])

    @property
    def next_deadline(self) -> float:
        """When, on the monotonic clock, something is to be done about it."""
        return min(self.deadline, self.kill_at)

    def stop(self, reason: str, grace_seconds: float) -> None:
        """TERM now, KILL after the grace; the first reason stays."""
        if self.ended_by is None:
            self.ended_by = reason
            process_tree.kill_group(self.pid, signal.SIGTERM)
        self.kill_at = min(self.kill_at, time.monotonic() + grace_seconds)
        self.deadline = float("inf")

    def enforce_time(self, now: float) -> None:
        """Stop it when its time is over, kill it when its grace is."""
        if now >= self.deadline:
            self.stop("time", float(self.request["grace_seconds"]))
        if now >= self.kill_at:
            process_tree.kill_group(self.pid)
            self.kill_at = now + 1.0

    def enforce_memory(self, used_bytes: int) -> None:
        """Kill it at once above its limit: a grace would let it take the node along."""
        if used_bytes > self.memory_bytes and self.ended_by is None:
            self.ended_by = "memory"
            self.deadline = float("inf")
            process_tree.kill_group(self.pid)


def start_command(request: Mapping[str, Any]) -> Running:
    """Start the command that `request` describes.

    Args:
        request: what `process_executor` sends: id, attempt, directory, arguments, configuration,
            environment, cores, time_limit_seconds, memory_bytes, grace_seconds, node.

    Raises:
        OSError: the program is missing or cannot be executed, or the folder cannot be written.
    """
    make_folder(request["directory"])
    if request.get("needs_request"):
        Path(request["directory"], REQUEST).write_text(json.dumps(dict(request)))
    started_at = time.time()
    return Running.now(request, _spawn(request), started_at)


def make_folder(directory: str) -> None:
    """The attempt's folder exists; usually only it and its parent are missing."""
    try:
        os.mkdir(directory)  # noqa: PTH102  once for every evaluation: a Path costs more than the call
    except FileNotFoundError:
        Path(directory).mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        return


def _spawn(request: Mapping[str, Any]) -> int:
    """Start a command by posix_spawn: half the cost of a fork that runs Python before it executes.

    It knows neither folder nor affinity: the command inherits both from us.
    """
    before = os.sched_getaffinity(0)
    os.chdir(request["directory"])
    if request["cores"]:
        os.sched_setaffinity(0, request["cores"])
    own = {os.fsencode(name): os.fsencode(value) for name, value in request["environment"].items()}
    try:
        return os.posix_spawnp(
            request["arguments"][0],
            request["arguments"],
            {**_inherited(), **own},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, "stdout", LOG_FLAGS, LOG_MODE),
                (os.POSIX_SPAWN_OPEN, 2, "stderr", LOG_FLAGS, LOG_MODE),
            ],
            setsid=True,
        )
    finally:
        os.sched_setaffinity(0, before)


@functools.cache
def _inherited() -> dict[bytes, bytes]:
    """The environment that the supervisor was started with, encoded once: decoding it per command is slow."""
    return dict(os.environb)
