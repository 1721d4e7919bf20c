"""The process that starts evaluations on one machine, keeps their limits and reports how they ended.

One supervisor runs commands; one more per objective module has a fork server fork every evaluation of it. A
supervisor knows no database and imports nothing heavy. When its launcher dies it sees the end of the socket
and kills everything; as a subreaper it also inherits, finds and kills what escapes an evaluation.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping
from typing import Any

from ambs_hpc.launcher.supervisor import outcome, process_tree
from ambs_hpc.launcher.supervisor.fork_server_client import ForkServerClient
from ambs_hpc.launcher.supervisor.spawn import Running, start_command
from ambs_hpc.launcher.supervisor.transport import LineTransport, Transport, send_all

IDLE_SECONDS = 60.0
HEARTBEAT_SECONDS = 10.0  # to a launcher on another node, which cannot see us die with ours
MEMORY_POLL_SECONDS = 0.2
LONGEST_REPORT_BYTES = 1 << 16  # a longer one is read from its file: no packet may exceed the buffer
UNKNOWN_STATUS = signal.SIGKILL  # of a fork whose template died between its end and telling us


class Supervisor:
    """Serves one launcher over `control`, with JSON messages."""

    def __init__(self, control: Transport, objective: tuple[str, str] | None) -> None:
        """`objective`: "module:function" and its folder, when evaluations are forked."""
        self._control, self._objective = control, objective
        self._running: dict[int, Running] = {}  # by pid
        self._cores = os.sched_getaffinity(0)
        self._has_warned = False
        self._is_terminated = False  # by somebody who terminates all that runs here
        self._heartbeat_due = time.monotonic() if isinstance(control, LineTransport) else float("inf")
        self._memory_due = 0.0
        self._oom_kills = process_tree.oom_kills()
        process_tree.become_subreaper()
        self._wake, wake_end = socket.socketpair()
        self._wake.setblocking(False)
        wake_end.setblocking(False)
        self._wake_end = wake_end
        self._fork_server = None if objective is None else ForkServerClient(*objective)
        # Handlers that do nothing, not SIG_IGN: what is ignored here would be ignored in every command.
        # The launcher decides when we end; its end is ours.
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note_signal)
        signal.set_wakeup_fd(wake_end.fileno(), warn_on_full_buffer=False)

    def serve(self) -> None:
        """Until the launcher closes the transport or dies; nothing is left running then."""
        self._send({"hello": os.getpid()})
        poll = select.poll()
        poll.register(self._control.fileno(), select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        watched = self._watch_fork_server(poll, None)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll(1000 * self._patience())}
            if self._wake.fileno() in ready:
                self._drain_wake()
                self._reap()
            if watched in ready:
                if not self._hear_fork_server():
                    return
                watched = self._watch_fork_server(poll, watched)
            self._keep_limits()
            self._heartbeat()
            if self._control.fileno() in ready and not self._obey():
                self._end_everything()
                return

    def _watch_fork_server(self, poll: select.poll, watched: int | None) -> int | None:
        if self._fork_server is None:
            return None
        descriptor = self._fork_server.control.fileno()
        if descriptor != watched:
            poll.register(descriptor, select.POLLIN)
        return descriptor

    def _note_signal(self, number: int, _frame: object) -> None:
        self._is_terminated |= number == signal.SIGTERM

    def _obey(self) -> bool:
        """Take what has come; False at the end of the transport."""
        messages = self._control.receive()
        for message in messages or []:
            order = json.loads(message)
            if "start" in order:
                self._start(order["start"])
            else:
                self._stop(set(order["stop"]), float(order["grace_seconds"]))
        return messages is not None

    def _start(self, request: dict[str, Any]) -> None:
        request["cores"] = self._usable(request["cores"])
        try:
            if self._fork_server is None:
                running: Running | None = start_command(request)
            else:
                running = self._fork_server.start(request, len(self._running))
        except OSError as error:
            self._tell(outcome.not_started(request, error))
            return
        if running is not None:
            self._running[running.pid] = running

    def _usable(self, cores: list[int]) -> list[int]:
        """Those that are ours; [] when none is: a site file may be wrong, and unbound beats failed."""
        usable = [core for core in cores if core in self._cores]
        if cores and not usable and not self._has_warned:
            self._has_warned = True
            print(f"cores {cores} are not on this node: evaluations are not bound", file=sys.stderr)  # noqa: T201
        return usable

    def _hear_fork_server(self) -> bool:
        """Take what the fork server says; False when its module cannot be imported, which ends us."""
        assert self._fork_server is not None
        assert self._objective is not None
        heard = self._fork_server.receive()
        self._running.update((running.pid, running) for running in heard.started)
        for pid, status in heard.exited:
            self._note_end(pid, status)
        if heard.is_alive:
            return True
        unloadable = self._fork_server.unloadable
        if unloadable is None and not self._fork_server.has_forked:
            unloadable = "The process that imported it died: see the launcher's log."
        if unloadable is not None:
            self._send({"unloadable": unloadable})
            return False
        self._fork_server.close()  # it waits for its end: its forks are our own children then
        self._reap()
        for pid in [pid for pid in self._running if not process_tree.is_child(pid)]:
            self._note_end(pid, UNKNOWN_STATUS)
        self._fork_server = ForkServerClient(*self._objective, waiting=self._fork_server.waiting_requests)
        return True

    def _stop(self, ids: set[int], grace_seconds: float) -> None:
        for running in self._running.values():
            if running.id in ids:
                running.stop("stopped", grace_seconds)
        if self._fork_server is not None:
            for request in self._fork_server.forget(ids):
                self._tell(outcome.stopped(request))

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._note_end(pid, status)

    def _note_end(self, pid: int, status: int) -> None:
        running = self._running.pop(pid, None)
        if running is None:
            return  # an adopted stray, or a fork that took nothing
        process_tree.kill_group(running.pid)
        but = self._running if self._fork_server is None else {*self._running, self._fork_server.pid}
        process_tree.kill_orphans(running.token, but=but)
        if status == signal.SIGKILL and running.ended_by is None:
            running.ended_by = self._who_killed()
        if self._is_terminated and running.ended_by is None:
            running.ended_by = "stopped"
        self._tell(outcome.of(running, status, time.time()))

    def _who_killed(self) -> str | None:
        """The kernel, when it counts more killings for memory than at our last look."""
        before, self._oom_kills = self._oom_kills, process_tree.oom_kills()
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
        used = process_tree.memory_by_session({running.pid for running in limited})
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
        return max(0.0, min(due - now, self._heartbeat_due - now, IDLE_SECONDS))

    def _heartbeat(self) -> None:
        now = time.monotonic()
        if now >= self._heartbeat_due:
            self._heartbeat_due = now + HEARTBEAT_SECONDS
            self._send({"heartbeat": os.getpid()})

    def _drain_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._wake.recv(4096):
                pass

    def _tell(self, report: Mapping[str, Any]) -> None:
        # When the launcher is gone, the outcome file tells its successor.
        if len(json.dumps(report)) > LONGEST_REPORT_BYTES:
            report = {key: report[key] for key in ("id", "attempt")} | {"is_on_disk": True}
        self._send(report)

    def _send(self, message: Mapping[str, Any]) -> None:
        with contextlib.suppress(ConnectionError):
            send_all(self._control, json.dumps(message).encode())

    def _end_everything(self) -> None:
        """Kill what runs and wait until it is gone."""
        signal.set_wakeup_fd(-1)
        for running in self._running.values():
            process_tree.kill_group(running.pid)
        if self._fork_server is not None:
            self._fork_server.close()
        process_tree.kill_children()
