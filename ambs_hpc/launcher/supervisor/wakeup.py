"""Signals that wake a poll, and the kernel's killings for lack of memory told from others."""

from __future__ import annotations

import contextlib
import signal
import socket

from ambs_hpc.launcher.supervisor import process_tree


class SignalWakeup:
    """Makes SIGCHLD, SIGINT and SIGTERM readable on a descriptor.

    Handlers that only note, not SIG_IGN: what is ignored here would be ignored in every command.
    """

    def __init__(self) -> None:
        self.received: set[int] = set()  # numbers of all that have come
        self._reader, self._writer = socket.socketpair()
        for end in (self._reader, self._writer):
            end.setblocking(False)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)

    def fileno(self) -> int:
        """The descriptor for poll: readable when a signal has come."""
        return self._reader.fileno()

    def drain(self) -> None:
        """Make it unreadable until the next signal."""
        with contextlib.suppress(BlockingIOError):
            while self._reader.recv(4096):
                pass

    def _note(self, number: int, _frame: object) -> None:
        self.received.add(number)


class KernelKills:
    """Counts the kernel's killings for lack of memory on this machine."""

    def __init__(self) -> None:
        self._seen = process_tree.oom_kills()

    def explains(self, wait_status: int) -> bool:
        """Whether a process ended by SIGKILL and the kernel has killed one for memory since the last look."""
        if wait_status != signal.SIGKILL:
            return False
        before, self._seen = self._seen, process_tree.oom_kills()
        return self._seen > before
