"""The process that starts evaluations on one machine, keeps their limits and reports how they ended.

One nest runs commands; one more per objective module imports it once and forks every evaluation from there.
It knows no database and imports nothing heavy. When its launcher dies it sees the end of the socket and
kills everything; as a subreaper it also inherits, finds and kills what escapes an evaluation.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import time
from collections.abc import Mapping
from typing import Any

from ambs_hpc.launcher import endings, offspring, starting
from ambs_hpc.launcher.starting import Running

IDLE_SECONDS = 60.0
MEMORY_POLL_SECONDS = 0.2
MESSAGE_BYTES = 1 << 18
LONGEST_REPORT_BYTES = (
    1 << 16
)  # a longer one is read from its file: a socket takes no packet above its buffer


class Nest:
    """Serves one launcher over `control`, a SOCK_SEQPACKET socket of JSON messages."""

    def __init__(self, control: socket.socket, function: Any | None) -> None:
        self._control, self._function = control, function
        self._running: dict[int, Running] = {}  # by pid
        self._memory_due = 0.0
        self._oom_kills = offspring.oom_kills()
        self._token_place = offspring.token_place()
        offspring.become_subreaper()
        self._wake, wake_end = socket.socketpair()
        self._wake.setblocking(False)
        wake_end.setblocking(False)
        self._wake_end = wake_end
        # Handlers that do nothing, not SIG_IGN: what is ignored here would be ignored in every command.
        # The launcher decides when we end; its end is ours.
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(wake_end.fileno(), warn_on_full_buffer=False)
        gc.collect()
        gc.freeze()  # a collection in a forked child would copy every page that holds an object

    def serve(self) -> None:
        """Until the launcher closes the socket or dies; nothing is left running then."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll(1000 * self._patience())}
            if self._wake.fileno() in ready:
                self._drain_wake()
            self._reap()
            self._keep_limits()
            if self._control.fileno() in ready and not self._obey():
                self._end_everything()
                return

    def _obey(self) -> bool:
        """Take one message; False at the end of the socket."""
        try:
            message = self._control.recv(MESSAGE_BYTES)
        except ConnectionError:
            message = b""
        if not message:
            return False
        order = json.loads(message)
        if "start" in order:
            self._start(order["start"])
        else:
            self._stop(set(order["stop"]), float(order["grace_seconds"]))
        return True

    def _start(self, request: Mapping[str, Any]) -> None:
        try:
            running = starting.start(request, self._function, self._leave_nest)
        except OSError as error:
            self._tell(endings.not_started(request, error))
            return
        self._running[running.pid] = running

    def _leave_nest(self, request: Mapping[str, Any]) -> None:
        """In a forked child: nothing of the nest's plumbing stays."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        self._control.close()
        self._wake.close()
        self._wake_end.close()
        offspring.carry_token(request["environment"][offspring.TOKEN_VARIABLE], self._token_place)

    def _stop(self, ids: set[int], grace_seconds: float) -> None:
        for running in self._running.values():
            if running.id in ids:
                running.stop("stopped", grace_seconds)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            running = self._running.pop(pid, None)
            if running is None:
                continue  # an adopted stray
            offspring.kill_group(running.pid)
            offspring.kill_strays(running.token, but=self._running)
            if status == signal.SIGKILL and running.ended_by is None:
                running.ended_by = self._who_killed()
            self._tell(endings.of(running, status, time.time()))

    def _who_killed(self) -> str | None:
        """The kernel, when it counts more killings for memory than at our last look."""
        before, self._oom_kills = self._oom_kills, offspring.oom_kills()
        return "kernel" if self._oom_kills > before else None

    def _keep_limits(self) -> None:
        now = time.monotonic()
        for running in self._running.values():
            running.enforce_time(now)
        if now < self._memory_due:
            return
        limited = [running for running in self._running.values() if running.memory_bytes]
        if not limited:
            return
        used = offspring.memory_by_session({running.pid for running in limited})
        for running in limited:
            running.enforce_memory(used.get(running.pid, 0))
        # Many processes take long to look through: at most a tenth of our time goes there.
        spent = time.monotonic() - now
        self._memory_due = now + max(MEMORY_POLL_SECONDS, 10 * spent)

    def _patience(self) -> float:
        """Seconds until something must be looked at without being told."""
        now = time.monotonic()
        due = min((running.next_deadline for running in self._running.values()), default=now + IDLE_SECONDS)
        if any(running.memory_bytes for running in self._running.values()):
            due = min(due, self._memory_due)
        return max(0.0, min(due - now, IDLE_SECONDS))

    def _drain_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._wake.recv(4096):
                pass

    def _tell(self, report: Mapping[str, Any]) -> None:
        # When the launcher is gone, the outcome file tells its successor.
        packet = json.dumps(report).encode()
        if len(packet) > LONGEST_REPORT_BYTES:
            packet = json.dumps(
                {key: report[key] for key in ("id", "attempt")} | {"is_on_disk": True}
            ).encode()
        with contextlib.suppress(BrokenPipeError, ConnectionError):
            self._control.send(packet)

    def _end_everything(self) -> None:
        """Kill what runs and wait until it is gone."""
        signal.set_wakeup_fd(-1)
        for running in self._running.values():
            offspring.kill_group(running.pid)
        offspring.kill_children()
