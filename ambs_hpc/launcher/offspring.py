"""Processes that evaluations leave: found, counted and killed, also when they tried to escape (Linux)."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Collection
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TOKEN_VARIABLE = "AMBS_ATTEMPT_TOKEN"  # in the environment of every process of an attempt

_prctl = ctypes.CDLL(None, use_errno=True).prctl


def become_subreaper() -> None:
    """Orphans among our descendants become our children instead of init's."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent(parent: int) -> None:
    """In a fresh child: be killed when the process `parent` dies; at once if it already has."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def kill_group(leader: int, number: int = signal.SIGKILL) -> None:
    """Signal the process group of `leader`; nothing happens when it is gone."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return


def kill_strays(token: str) -> set[int]:
    """Kill the children of ours that carry `token`, and theirs as they become ours.

    A daemon leaves its group and session, but an orphan becomes the subreaper's child and keeps its
    environment.
    """
    mark = f"{TOKEN_VARIABLE}={token}".encode()
    killed: set[int] = set()
    while True:
        found = {pid for pid in children() if pid not in killed and mark in environment_of(pid)}
        if not found:
            return killed
        for pid in found:
            _kill(pid)
        killed |= found


def reap(*, but: Collection[int]) -> None:
    """Collect the dead among the children that nobody else waits for."""
    for pid in children():
        if pid not in but:
            os.waitpid(pid, os.WNOHANG)


def kill_children() -> None:
    """Kill every child, and those that become ours by that, until there is none; reaps them."""
    while True:
        for pid in children():
            _kill(pid)
        try:
            os.wait()
        except ChildProcessError:
            return


def children() -> list[int]:
    """Our direct children, zombies included."""
    me = os.getpid()
    found: list[int] = []
    try:
        for thread in Path(f"/proc/{me}/task").iterdir():
            found += map(int, (thread / "children").read_text().split())
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN
        found = [pid for pid, fields in _all_stats() if int(fields[1]) == me]
    return found


def environment_of(pid: int) -> list[bytes]:
    """The environment a process was started with; [] when it is gone or somebody else's."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def memory_by_session(leaders: Collection[int]) -> dict[int, int]:
    """Bytes that the processes of each session really use, shared pages divided among their users.

    Args:
        leaders: session ids; every evaluation leads a session of its own.
    """
    used = dict.fromkeys(leaders, 0)
    for pid, fields in _all_stats():
        session = int(fields[3])
        if session in used:
            used[session] += proportional_bytes(pid, resident_bytes=int(fields[21]) * PAGE_BYTES)
    return used


def proportional_bytes(pid: int, resident_bytes: int) -> int:
    """Memory of one process without double counting; its resident size where the kernel cannot say."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return 1024 * int(line.split()[1])
    except OSError:
        pass
    return resident_bytes


def all_processes() -> list[int]:
    """The pids of this machine."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _all_stats() -> list[tuple[int, list[str]]]:
    """(pid, fields of /proc/PID/stat from the state on) of every process."""
    found = []
    for pid in all_processes():
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        found.append((pid, text.rpartition(")")[2].split()))
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
