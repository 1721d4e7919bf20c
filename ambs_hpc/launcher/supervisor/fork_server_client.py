"""The supervisor's side of a fork server: its process, the forks that wait, and their attempts."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NoReturn

from ambs_hpc.launcher.supervisor import fork_server, process_tree
from ambs_hpc.launcher.supervisor.forked import handed_over
from ambs_hpc.launcher.supervisor.messages import StartRequest
from ambs_hpc.launcher.supervisor.running_attempt import RunningAttempt

MOST_AHEAD = 8  # forks that wait: what ends while others are forked finds one ready
MESSAGE_BYTES = 1 << 14
HAND_OVER_SECONDS = 2.0  # for a fork to take a request that is longer than the socket's buffer


@dataclass
class Heard:
    """What a fork server said: attempts begun, (pid, wait status) of forks that ended, whether it lives."""

    started: list[RunningAttempt] = field(default_factory=list)
    exited: list[tuple[int, int]] = field(default_factory=list)
    is_alive: bool = True


class ForkServerClient:
    """A fork server that was forked from this supervisor, which is a subreaper.

    When it dies, by an evaluation's hand or the kernel's, its forks become children of the supervisor and run
    on.
    """

    def __init__(self, function: str, directory: str, waiting: Iterable[StartRequest] = ()) -> None:
        """`waiting`: requests for the first forks."""
        self.waiting_requests = deque(waiting)  # no fork was ready yet
        self.unloadable: str | None = None
        self.unforkable: str | None = None
        self.import_seconds: float | None = None  # until its first fork; None before
        self._begun_at = time.monotonic()
        self._idle: dict[int, socket.socket] = {}
        self._ordered = 0
        self._ahead = 1
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.setblocking(False)
        self.pid = os.fork()
        if self.pid == 0:
            self.control.close()
            _become_fork_server(theirs, function, directory)
        theirs.close()
        self._order()

    @property
    def has_forked(self) -> bool:
        """Whether its module could be imported."""
        return self.import_seconds is not None

    def start(self, request: StartRequest, running: int) -> RunningAttempt | None:
        """Hand an attempt to a fork that waits; None when none does: it is started by `receive`.

        Args:
            running: attempts that run now; so many forks are kept ready, MOST_AHEAD at most.
        """
        self._ahead = max(self._ahead, min(MOST_AHEAD, running + 1))
        started = self._hand_over(request)
        if started is None:
            self.waiting_requests.append(request)
        self._order()
        return started

    def forget(self, ids: set[int]) -> list[StartRequest]:
        """Take back requests that no fork has taken."""
        taken_back = [request for request in self.waiting_requests if request.id in ids]
        self.waiting_requests = deque(one for one in self.waiting_requests if one.id not in ids)
        return taken_back

    def receive(self) -> Heard:
        """Return the messages that have come since the last call, and note the death of the sender."""
        heard = Heard()
        while True:
            try:
                packet, descriptors, _, _ = socket.recv_fds(self.control, MESSAGE_BYTES, 1)
            except BlockingIOError:
                self._order()
                return heard
            except ConnectionError:
                continue  # it ended with orders unread; what it said before, and the end, come after this
            if not packet:
                heard.is_alive = False
                return heard
            kind = packet[:1]
            if kind == fork_server.UNLOADABLE:
                self.unloadable = packet[1:].decode(errors="replace")
            elif kind == fork_server.UNFORKABLE:
                self.unforkable = packet[1:].decode(errors="replace")
            elif kind == fork_server.FORK:
                self._note_forked(packet, descriptors, heard.started)
            else:
                _, pid, status = fork_server.EXITED.unpack(packet)
                heard.exited.append((pid, status))
                if pid in self._idle:
                    self._idle.pop(pid).close()

    def close(self) -> None:
        """End it, with the forks that wait; returns when it is gone and its forks are our children."""
        self.control.close()
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        for transport in self._idle.values():
            transport.close()
        self._idle.clear()

    def _note_forked(self, packet: bytes, descriptors: list[int], started: list[RunningAttempt]) -> None:
        _, pid = fork_server.FORKED.unpack(packet)
        self._idle[pid] = socket.socket(fileno=descriptors[0])
        self._ordered -= 1
        if self.import_seconds is None:
            self.import_seconds = time.monotonic() - self._begun_at
        while self.waiting_requests:
            running = self._hand_over(self.waiting_requests[0])
            if running is None:
                return
            self.waiting_requests.popleft()
            started.append(running)

    def _hand_over(self, request: StartRequest) -> RunningAttempt | None:
        packet: bytes | None = None
        started_at = time.time()
        while self._idle:
            pid, transport = self._idle.popitem()
            packet = packet or handed_over(request, started_at)
            with transport:
                transport.settimeout(HAND_OVER_SECONDS)
                try:
                    transport.sendall(packet)
                except OSError:  # it died while it waited, or somebody has stopped it
                    continue
            return RunningAttempt.now(request, pid, started_at)
        return None

    def _order(self) -> None:
        """Order forks until `_ahead` of them wait, and one more for every request that waits."""
        lacking = self._ahead + len(self.waiting_requests) - len(self._idle) - self._ordered
        if lacking > 0:
            with contextlib.suppress(BlockingIOError, ConnectionError):  # full or gone: `receive` sees it
                self.control.send(fork_server.FORK * min(lacking, 64))
                self._ordered += min(lacking, 64)


def _become_fork_server(control: socket.socket, function: str, directory: str) -> NoReturn:
    """Become the fork server, in a fresh child: of the supervisor's descriptors only `control` stays open."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        process_tree.close_descriptors(but=control.fileno())
        fork_server.serve(control, function, directory)
        status = 0
    finally:
        os._exit(status)
