"""Identities: of processes by host, pid and start time, so that no reused pid deceives; of anything else."""

from __future__ import annotations

import contextlib
import functools
import getpass
import hashlib
import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from ambs_hpc.errors import UsageError

UID_BYTES = 8
START_TIME_FIELD = 22  # proc(5): starttime, in clock ticks since boot


def new_uid() -> str:
    """A random identity that nothing else has or will have, as 16 hexadecimal digits."""
    return secrets.token_hex(UID_BYTES)


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process on a machine.

    Args:
        started: in clock ticks since that machine booted.
        namespace: where its pid means this process; empty where it is not known.
    """

    host: str
    pid: int
    started: int
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}:{self.started}" + (f":{self.namespace}" if self.namespace else "")

    @classmethod
    def parse(cls, text: str) -> ProcessIdentity:
        """The inverse of `str`."""
        host, pid, started, *namespace = text.split(":")
        return cls(host, int(pid), int(started), *namespace)


def this_process() -> ProcessIdentity:
    """The calling process."""
    return ProcessIdentity(socket.gethostname(), os.getpid(), start_time(os.getpid()) or 0, pid_namespace())


@functools.cache
def pid_namespace() -> str:
    """A sum of this boot of this kernel and of the PID namespace, as 12 hexadecimal digits.

    Host names repeat: of containers, and of nodes of two machines.
    """
    parts: list[str] = []
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:12] if parts else ""


def start_time(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None when there is none, or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = text.rpartition(")")[2].split()  # the name before it may hold blanks and brackets
    return None if state in "ZX" else int(fields[START_TIME_FIELD - 4])


def running_seconds(pid: int) -> float | None:
    """For how long the process has run; None where that is not known."""
    try:
        started, up = start_time(pid), float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError):
        return None
    seconds = None if started is None else up - started / os.sysconf("SC_CLK_TCK")
    return seconds if seconds is not None and seconds >= 0.0 else None  # a container may show its own uptime


def is_gone(identity: ProcessIdentity) -> bool | None:
    """Whether the process has ended; None when it cannot be asked: of another host, boot or PID namespace."""
    if identity.host != socket.gethostname() or identity.namespace not in ("", pid_namespace()):
        return None
    try:
        started = start_time(identity.pid)
    except PermissionError:  # of another user, where /proc hides them
        return None
    if started == identity.started:
        return False
    return None if _is_hidden(identity.pid) else True


def _is_hidden(pid: int) -> bool:
    """Whether there is such a process of another user, which /proc hides."""
    if Path(f"/proc/{pid}").exists():
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def user_name() -> str:
    """The name of this process's user; its number where neither a variable nor the system has a name.

    In a container, and on nodes without the site's directory service, a user may have no entry.
    """
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # OSError since Python 3.13
        return str(os.getuid())


def home_folder() -> Path:
    """The home folder of this process's user.

    Raises:
        UsageError: neither $HOME nor the system names one.
    """
    try:
        return Path.home()
    except RuntimeError as error:
        raise UsageError(
            f"There is no home folder: HOME is not set, and the system has no entry for user {os.getuid()}. "
            "Set HOME, or AMBS_CONFIG_DIR to a folder for what ambs keeps about you."
        ) from error
