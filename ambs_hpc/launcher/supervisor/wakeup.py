"""Signals that wake a poll, and the kernel's killings for lack of memory told from others."""

from __future__ import annotations

import contextlib
import signal
import socket
import time

from ambs_hpc.launcher.supervisor import process_tree

# Schedulers wait for half a minute to a minute between TERM and KILL.
TERMINATION_SECONDS = 60.0
# A scheduler signals the processes of an allocation one after the other: when one has died by TERM, our own
# may still be on its way.
TERM_DOUBT_SECONDS = 2.0


class SignalWakeup:
    """Makes SIGCHLD, SIGINT and SIGTERM readable on a descriptor.

    Handlers that only note, not SIG_IGN: what is ignored here would be ignored in every command.
    """

    def __init__(self) -> None:
        self._terminated_at = float("-inf")  # monotonic
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

    @property
    def is_terminated(self) -> bool:
        """Whether TERM or INT came so short ago that deaths of others by TERM have the same cause.

        A scheduler ends everything within the time between its TERM and its KILL.
        """
        return time.monotonic() - self._terminated_at < TERMINATION_SECONDS

    def _note(self, number: int, _frame: object) -> None:
        if number != signal.SIGCHLD:
            self._terminated_at = time.monotonic()


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
