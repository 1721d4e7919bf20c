"""Who a process is: host, pid and start time, so that a reused pid is never taken for the original."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

START_TIME_FIELD = 22  # proc(5): starttime, in clock ticks since boot


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process on a machine; `started` is in clock ticks since that machine booted."""

    host: str
    pid: int
    started: int

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}:{self.started}"

    @classmethod
    def parse(cls, text: str) -> ProcessIdentity:
        """The inverse of `str`."""
        host, pid, started = text.rsplit(":", 2)
        return cls(host, int(pid), int(started))


def this_process() -> ProcessIdentity:
    """The calling process."""
    return ProcessIdentity(socket.gethostname(), os.getpid(), start_time(os.getpid()) or 0)


def start_time(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None when there is none, or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = text.rpartition(")")[2].split()  # the name before it may hold blanks and brackets
    return None if state in "ZX" else int(fields[START_TIME_FIELD - 4])


def is_gone(identity: ProcessIdentity) -> bool | None:
    """Whether the process has ended; None when it belongs to another host, which cannot be asked."""
    if identity.host != socket.gethostname():
        return None
    return start_time(identity.pid) != identity.started
