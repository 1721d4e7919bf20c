"""Start one attempt in a process, session and folder of its own, and hold it to its limits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ambs_hpc.launcher import endings, offspring

REQUEST = "request.json"  # read by `call`
Objective = Callable[[dict[str, Any]], object]
LeaveNest = Callable[[Mapping[str, Any]], None]


@dataclass
class Running:
    """An attempt that runs; `pid` leads its session and process group."""

    request: Mapping[str, Any]
    pid: int
    started_at: float
    deadline: float  # monotonic; infinity without a limit
    ended_by: str | None = None  # who sent the first signal: "time", "memory", "stopped", "kernel" (memory)
    kill_at: float = field(default=float("inf"))

    @property
    def id(self) -> int:
        return int(self.request["id"])

    @property
    def token(self) -> str:
        return str(self.request["environment"][offspring.TOKEN_VARIABLE])

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
            offspring.kill_group(self.pid, signal.SIGTERM)
        self.kill_at = min(self.kill_at, time.monotonic() + grace_seconds)
        self.deadline = float("inf")

    def enforce_time(self, now: float) -> None:
        """Stop it when its time is over, kill it when its grace is."""
        if now >= self.deadline:
            self.stop("time", float(self.request["grace_seconds"]))
        if now >= self.kill_at:
            offspring.kill_group(self.pid)
            self.kill_at = now + 1.0

    def enforce_memory(self, used_bytes: int) -> None:
        """Kill it at once above its limit: a grace would let it take the node along."""
        if used_bytes > self.memory_bytes and self.ended_by is None:
            self.ended_by = "memory"
            self.deadline = float("inf")
            offspring.kill_group(self.pid)


def start(request: Mapping[str, Any], objective: Objective | None, leave_nest: LeaveNest) -> Running:
    """Start the attempt that `request` describes.

    Args:
        request: what `process_executor` sends: id, attempt, directory, arguments or None, configuration,
            environment, cores, time_limit_seconds, memory_bytes, grace_seconds, node.
        objective: called in a forked child when there are no `arguments`.
        leave_nest: called first in such a child, with the request.

    Raises:
        OSError: the program is missing or cannot be executed, or the folder cannot be written.
    """
    directory = Path(request["directory"])
    try:
        directory.mkdir()
    except OSError:  # usually the first attempt, whose parents are missing
        directory.mkdir(parents=True, exist_ok=True)
    if request.get("needs_request"):
        (directory / REQUEST).write_text(json.dumps(dict(request)))
    out, err = _log(directory / "stdout"), _log(directory / "stderr")
    started_at = time.time()
    limit = request["time_limit_seconds"]
    deadline = time.monotonic() + limit if limit is not None else float("inf")
    try:
        if request["arguments"] is not None:
            pid = _spawn(request, out, err)
        else:
            assert objective is not None
            pid = _fork(request, objective, leave_nest, (out, err))
    finally:
        os.close(out)
        os.close(err)
    return Running(request, pid, started_at, deadline)


def _log(file: Path) -> int:
    return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)


def _spawn(request: Mapping[str, Any], out: int, err: int) -> int:
    """Start a command; the affinity is inherited, since a vforked child runs no Python of ours."""
    before = os.sched_getaffinity(0)
    if request["cores"]:
        os.sched_setaffinity(0, request["cores"])
    try:
        process = subprocess.Popen(
            request["arguments"],
            cwd=request["directory"],
            env=os.environb | {os.fsencode(k): os.fsencode(v) for k, v in request["environment"].items()},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    finally:
        os.sched_setaffinity(0, before)
    process.returncode = 0  # we reap it ourselves; Popen must not
    return process.pid


def _fork(
    request: Mapping[str, Any], objective: Objective, leave_nest: LeaveNest, logs: tuple[int, int]
) -> int:
    nest, started_at = os.getpid(), time.time()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        offspring.die_with_parent(nest)
        os.setsid()
        leave_nest(request)
        _settle(request, logs)
        status = endings.run_function(request, objective, started_at)
    except BaseException:  # noqa: BLE001  the border of the child: nothing may return into the nest's loop
        sys.excepthook(*sys.exc_info())
    finally:
        _flush()
        os._exit(status)


def _settle(request: Mapping[str, Any], logs: tuple[int, int]) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(logs[0], 1)
    os.dup2(logs[1], 2)
    os.environ.update(request["environment"])
    if request["cores"]:
        os.sched_setaffinity(0, request["cores"])
    os.chdir(request["directory"])


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
