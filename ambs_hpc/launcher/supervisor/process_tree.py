"""Processes that evaluations leave: found, counted and killed, also when they tried to escape (Linux)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Collection, Mapping
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TOKEN_VARIABLE = "AMBS_ATTEMPT_TOKEN"  # in the environment of every process of an attempt
LAUNCHER_VARIABLE = "AMBS_LAUNCHER"  # which process's, in the environment of all that a launcher starts
TOKEN_ROOM = 160  # bytes kept free for a token in the environment that a supervisor starts with
DEATH_SECONDS = 2.0  # a killed process that does not vanish by then hangs in the kernel

# Children of this process whose exit status somebody asks for: who else collected it would make it a success.
waited_for: set[int] = set()

_libc = ctypes.CDLL(None, use_errno=True)
_prctl = _libc.prctl
_libc.getenv.restype = ctypes.c_void_p
_libc.getenv.argtypes = [ctypes.c_char_p]


def become_subreaper() -> None:
    """Make this process the parent of orphans among its descendants, in the place of init."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent(parent: int) -> None:
    """Have this fresh child killed when the process `parent` dies; at once if it already has."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def token_place() -> int | None:
    """Where the kernel shows this process's token; found before anything changes the environment.

    /proc/PID/environ shows the memory that a process began with, so a forked child looks like its parent
    there unless that very memory is written to. None when the process was started without `TOKEN_ROOM`.
    """
    value = os.environ.get(TOKEN_VARIABLE, "")
    place = _libc.getenv(TOKEN_VARIABLE.encode())
    return int(place) if place and len(value) == TOKEN_ROOM else None


def mark_of(token: str) -> bytes:
    """The entry in the environment of every process of the attempt with this token."""
    return f"{TOKEN_VARIABLE}={token}".encode()


def carry_token(token: str, place: int | None) -> None:
    """Mark this forked child, and all that it forks, with `token`."""
    if place is not None:
        ctypes.memmove(place, token.encode()[:TOKEN_ROOM].ljust(TOKEN_ROOM, b"\0"), TOKEN_ROOM)


def close_descriptors(*, but: int) -> None:
    """Close every descriptor of this process above the standard streams, except one.

    Those that are open are listed, since the highest that could be may be a billion.
    """
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  in a fresh fork, where a Path costs ten times more
        descriptor = int(name)
        if descriptor > 2 and descriptor != but:
            with contextlib.suppress(OSError):  # the one by which they were listed is closed already
                os.close(descriptor)


def oom_kills() -> int:
    """How many processes the kernel has killed for memory on this machine since it booted."""
    for line in Path("/proc/vmstat").read_text().splitlines():
        if line.startswith("oom_kill "):
            return int(line.split()[1])
    return 0


def kill_group(leader: int, number: int = signal.SIGKILL) -> None:
    """Signal the process group of `leader`; nothing happens when it is gone."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return


def kill_orphans(token: str, *, but: Collection[int] = ()) -> None:
    """Kill our children that carry `token`, and their children as these become ours, until none is left.

    A daemon leaves its group and session, but an orphan becomes the subreaper's child and keeps its
    environment. Its own children become ours only when it is really gone, so each is waited for.

    Args:
        but: children that are known to be something else.
    """
    mark = mark_of(token)
    deadline = time.monotonic() + DEATH_SECONDS
    known = waited_for.union(but)
    while found := [pid for pid in children() if pid not in known and _is_marked_or_dying(pid, mark)]:
        for pid in found:
            _kill(pid)
        while found and time.monotonic() < deadline:
            found = [pid for pid in found if not _is_reaped(pid)]
            if found:
                time.sleep(0.0005)
        if time.monotonic() >= deadline:
            return


def _is_marked_or_dying(pid: int, mark: bytes) -> bool:
    environment = environment_of(pid)  # empty for a zombie, and for what is about to become one
    return mark in environment or (not environment and state_of(pid) in "ZX")


def _is_reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def state_of(pid: int) -> str:
    """The state of a process as one letter, as in proc(5); X when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def is_child(pid: int) -> bool:
    """Whether it is a living or dead child of ours that nobody has waited for."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def reap(*, but: Collection[int]) -> None:
    """Collect the dead among the children that nobody else waits for."""
    for pid in children():
        if pid not in but and pid not in waited_for:
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
    try:
        threads = os.listdir(f"/proc/{me}/task")  # noqa: PTH208  once for every evaluation
        return [int(pid) for one in threads for pid in _content(f"/proc/{me}/task/{one}/children").split()]
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN
        return [pid for pid, fields in _all_stats() if int(fields[1]) == me]


def _content(file: str) -> bytes:
    """The content of a file in /proc, which has no size; a hundred children fill a kilobyte."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        return b"".join(iter(lambda: os.read(descriptor, 1 << 16), b""))
    finally:
        os.close(descriptor)


def environment_of(pid: int) -> list[bytes]:
    """The environment a process was started with; [] when it is gone or somebody else's."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def memory_by_session(leaders: Collection[int]) -> dict[int, int]:
    """Bytes that the processes of each session really hold, shared pages divided among their users.

    Args:
        leaders: session ids; every evaluation leads a session of its own.
    """
    used = dict.fromkeys(leaders, 0)
    for pid, fields in _all_stats():
        session = int(fields[3])
        if session in used:
            used[session] += _held_bytes(pid, resident_bytes=int(fields[21]) * PAGE_BYTES)
    return used


def _held_bytes(pid: int, resident_bytes: int) -> int:
    rollup = _kilobytes(f"/proc/{pid}/smaps_rollup")
    # The rollup says all from Linux 5.3 on: nothing else is read there, many times a minute.
    status = {} if "Pss_Anon" in rollup else _kilobytes(f"/proc/{pid}/status")
    return held_bytes(rollup, status, resident_bytes)


def held_bytes(rollup: Mapping[str, int], status: Mapping[str, int], resident_bytes: int) -> int:
    """Memory that one process keeps from others: anonymous, shared, huge and swapped out, in bytes.

    Pages that the kernel can drop at any time do not count: those of mapped files, those freed lazily. They
    come and go with what the whole node reads, and a data set is often mapped that exceeds the limit.

    Args:
        rollup, status: numbers of /proc/PID/smaps_rollup and /proc/PID/status by name, in kB; {} where the
            kernel has none. Only the rollup divides shared pages, and only since Linux 5.3 by kind.
        resident_bytes: what is counted where neither tells mapped files apart (before Linux 4.5).

    Source: proc(5); Documentation/filesystems/proc.rst of Linux.
    """
    outside = rollup.get("Private_Hugetlb", status.get("HugetlbPages", 0))
    outside += rollup.get("SwapPss", status.get("VmSwap", 0))
    if "Pss_Anon" in rollup:
        resident = rollup["Pss_Anon"] + rollup["Pss_Shmem"] - rollup.get("LazyFree", 0)
    else:
        # Each counts too much, one mapped files, the other shared pages: the smaller is nearer.
        resident = rollup.get("Pss", resident_bytes // 1024)
        if "RssAnon" in status:
            resident = min(resident, status["RssAnon"] + status["RssShmem"])
    return 1024 * max(0, resident + outside)


def _kilobytes(file: str) -> dict[str, int]:
    """The quantities in kB of a file in /proc, by name; {} when it cannot be read."""
    try:
        lines = [line.split() for line in _content(file).decode(errors="replace").splitlines()]
    except OSError:
        return {}
    return {words[0].rstrip(":"): int(words[1]) for words in lines if len(words) == 3 and words[2] == "kB"}


def all_processes() -> list[int]:
    """The process ids of this machine."""
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
