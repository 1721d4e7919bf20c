"""The process that starts evaluations on one machine, keeps their limits and reports how they ended.

One supervisor runs commands; one more for each objective module has a fork server fork every evaluation of
it. A supervisor knows no database and imports nothing heavy. When its launcher dies it sees the end of the
transport and kills everything; as a subreaper it also inherits, finds and kills what escapes an evaluation.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ambs_hpc.launcher.supervisor import function_main, outcome, process_tree
from ambs_hpc.launcher.supervisor.fork_server_client import ForkServerClient
from ambs_hpc.launcher.supervisor.messages import (
    Alive,
    AttemptReport,
    ImportFailed,
    Message,
    ProbeOrder,
    StartRequest,
    StopOrder,
    decoded,
    encoded,
)
from ambs_hpc.launcher.supervisor.probes.node_probe import probe
from ambs_hpc.launcher.supervisor.progress.report_gatherer import ReportGatherer
from ambs_hpc.launcher.supervisor.running_attempt import LimitKeeper, RunningAttempt
from ambs_hpc.launcher.supervisor.spawn import make_new_folder, start_command
from ambs_hpc.launcher.supervisor.transport import HEARTBEAT_SECONDS, Transport
from ambs_hpc.launcher.supervisor.wakeup import TERM_DOUBT_SECONDS, KernelKills, SignalWakeup

IDLE_SECONDS = 60.0
LONGEST_REPORT_BYTES = 1 << 16  # a longer one is read from its file: no packet may exceed the buffer
UNFORKABLE = (
    "{}: {}. Its evaluations run in interpreters of their own instead, which import it anew. "
    "Say warm=False in the problem to have them run so from the start"
)
# A command that usually takes less is started without the kernel's promise to end it with us: it costs 1 ms.
BRIEF_SECONDS = 5.0
UNKNOWN_STATUS = signal.SIGKILL  # of a fork whose server died between its end and telling us


@dataclass(frozen=True, slots=True)
class _Ended:
    """An attempt whose process has ended."""

    running: RunningAttempt
    status: int  # as from waitpid
    finished_at: float
    doubtful_until: float  # monotonic


class Supervisor:
    """Serves one launcher over `control`."""

    def __init__(self, control: Transport, objective: tuple[str, str] | None, *, binds: bool = True) -> None:
        """
        Args:
            objective: "module:function" and its folder, when evaluations are forked.
            binds: whether evaluations are bound to the cores of their requests; False where those are a
                guess, and others may have been bound to the same ones.
        """
        self._control, self._objective = control, objective
        self._running: dict[int, RunningAttempt] = {}  # by pid
        self._ended: list[_Ended] = []  # not reported yet
        self._limits, self._kernel_kills = LimitKeeper(), KernelKills()
        self._reports = ReportGatherer()
        self._cores, self._binds = os.sched_getaffinity(0), binds
        self._has_warned = False
        self._usual_seconds = float("inf")  # that attempts take
        self._heartbeat_due = time.monotonic()
        self._unfit = ""  # why nothing is begun on this node
        self._has_told_import = False
        process_tree.become_subreaper()
        self._fork_server = None if objective is None else ForkServerClient(*objective)
        self._wakeup = SignalWakeup()  # the launcher decides when we end; its end is ours

    def serve(self) -> None:
        """Serve until the launcher closes the transport or dies; nothing is left running then."""
        self._send(Alive(os.getpid()))
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        poll.register(self._reports, select.POLLIN)
        watched = self._watch_fork_server(poll)
        while True:
            self._watch_control(poll)
            ready = {descriptor for descriptor, _ in poll.poll(1000 * self._patience())}
            self._control.flush()
            if self._wakeup.fileno() in ready:
                self._wakeup.drain()
                self._reap()
            if self._reports.fileno() in ready:
                self._send_all(self._reports.take())
            if watched in ready:
                if not self._hear_fork_server():
                    return
                poll.unregister(watched)  # closed by now, if another is to be watched, or none
                watched = self._watch_fork_server(poll)
            self._limits.enforce(self._running.values())
            if self._ended:
                self._report_ended()
            self._heartbeat()
            if self._control.fileno() in ready and not self._obey():
                self._end_everything()
                return

    def _watch_fork_server(self, poll: select.poll) -> int | None:
        if self._fork_server is None:
            return None
        descriptor = self._fork_server.control.fileno()
        poll.register(descriptor, select.POLLIN)
        return descriptor

    def _watch_control(self, poll: select.poll) -> None:
        """For reading, and for room to write while something is unsent."""
        reader, writer = self._control.fileno(), self._control.writer()
        if self._control.has_unsent:
            poll.register(writer, select.POLLOUT)
        elif writer != reader:
            with contextlib.suppress(KeyError):
                poll.unregister(writer)
        both = select.POLLIN | select.POLLOUT
        poll.register(reader, both if self._control.has_unsent and writer == reader else select.POLLIN)

    def _obey(self) -> bool:
        """Follow the orders that have come; False when the launcher has closed the transport."""
        received = self._control.receive()
        for text in received or []:
            order = decoded(text)
            if isinstance(order, StartRequest):
                self._start(order)
            elif isinstance(order, ProbeOrder):
                self._probe(order)
            elif isinstance(order, StopOrder):
                self._stop(set(order.ids), order.grace_seconds)
        return received is not None

    def _probe(self, order: ProbeOrder) -> None:
        """Look at this node; where the order says so, begin nothing that comes after it and finds trouble."""
        found = probe(order)
        self._unfit = found.trouble if order.is_binding else ""
        self._send(found)

    def _start(self, request: StartRequest) -> None:
        if self._unfit:
            self._report(outcome.unfit(request, self._unfit))
            return
        request = replace(request, cores=self._usable(request.cores))
        try:
            make_new_folder(request.folder)
        except OSError as error:
            self._report(outcome.not_begun(request, error))
            return
        self._begin(request)

    def _begin(self, request: StartRequest) -> None:
        """Have it forked, or start its command, in its folder."""
        try:
            if self._fork_server is not None:
                running = self._fork_server.start(request, len(self._running))
            else:
                is_command = request.arguments is not None
                request = request if is_command else function_main.unforked(request)
                running = start_command(request, dies_with_us=self._usual_seconds >= BRIEF_SECONDS)
        except (OSError, ValueError) as error:  # ValueError: a NUL in an argument
            report = outcome.not_begun(request, error)
            _remove_unused(request, report)
            self._report(report)
            return
        if running is not None:
            self._note_start(running)

    def _note_start(self, running: RunningAttempt) -> None:
        self._running[running.pid] = running
        self._reports.begin(running.request)

    def _usable(self, cores: Sequence[int]) -> Sequence[int]:
        """Those of the cores that are ours; none if a site file is wrong, since unbound beats failed."""
        if not self._binds:
            return []
        usable = [core for core in cores if core in self._cores]
        if cores and not usable and not self._has_warned:
            self._has_warned = True
            with contextlib.suppress(OSError):  # a full disk
                print(f"cores {cores} are not on this node: evaluations are not bound", file=sys.stderr)  # noqa: T201
        return usable

    def _hear_fork_server(self) -> bool:
        """Read what the fork server says; False when its module cannot be imported, which ends us."""
        assert self._fork_server is not None
        assert self._objective is not None
        heard = self._fork_server.receive()
        for running in heard.started:
            self._note_start(running)
        for pid, status in heard.exited:
            self._note_end(pid, status)
        if heard.is_alive:
            return True
        if self._fork_server.unforkable is not None:
            self._do_without_forks(self._fork_server.unforkable)
            return True
        unloadable = self._fork_server.unloadable
        if unloadable is None and not self._fork_server.has_forked:
            unloadable = "The process that imported it died: see the launcher's log."
        if unloadable is not None:
            self._send(ImportFailed(unloadable))
            self._control.finish()
            return False
        self._fork_server.close()  # it waits for its end: its forks are our own children then
        self._reap()
        for pid in [pid for pid in self._running if not process_tree.is_child(pid)]:
            self._note_end(pid, UNKNOWN_STATUS)
        with self._reports.at_rest():
            self._fork_server = ForkServerClient(*self._objective, waiting=self._fork_server.waiting_requests)
        return True

    def _do_without_forks(self, reason: str) -> None:
        """Start every function in an interpreter of its own from now on, as with warm=False."""
        assert self._fork_server is not None
        assert self._objective is not None
        with contextlib.suppress(OSError):  # a full disk
            print(UNFORKABLE.format(self._objective[0], reason), file=sys.stderr, flush=True)  # noqa: T201
        waiting = self._fork_server.waiting_requests
        self._fork_server.close()
        self._fork_server = None
        for request in waiting:
            self._begin(request)

    def _stop(self, ids: set[int], grace_seconds: float) -> None:
        for running in self._running.values():
            if running.request.id in ids:
                running.stop("stopped", grace_seconds)
        for one in self._ended:
            if one.running.request.id in ids:
                one.running.ended_by = one.running.ended_by or "stopped"
        if self._fork_server is not None:
            for request in self._fork_server.forget(ids):
                self._report(outcome.stopped(request))

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
            return  # an orphan that we adopted, or a fork that took nothing
        process_tree.kill_group(running.pid)
        others = self._running if self._fork_server is None else {*self._running, self._fork_server.pid}
        process_tree.kill_orphans(running.request.token, but=others)
        if running.ended_by is None and self._kernel_kills.explains(status):
            running.ended_by = "kernel"
        now = time.time()
        known, seconds = self._usual_seconds, now - running.started_at
        self._usual_seconds = seconds if known == float("inf") else 0.8 * known + 0.2 * seconds
        self._ended.append(_Ended(running, status, now, time.monotonic() + TERM_DOUBT_SECONDS))
        self._report_ended()

    def _report_ended(self) -> None:
        """Report what has ended, but for deaths by TERM of which it is not known yet whose TERM it was."""
        doubtful: list[_Ended] = []
        for one in self._ended:
            if one.running.ended_by is None and self._wakeup.is_terminated:
                one.running.ended_by = "stopped"  # by somebody who terminates all that runs here
            is_explained = one.running.ended_by is not None or not outcome.is_termination(one.status)
            if is_explained or time.monotonic() >= one.doubtful_until:
                self._send_all(self._reports.end(one.running.request))
                report = outcome.report_of(one.running, one.status, one.finished_at)
                _remove_unused(one.running.request, report)
                self._report(report)
            else:
                doubtful.append(one)
        self._ended = doubtful

    def _patience(self) -> float:
        """Seconds until something must be looked at without being told."""
        due = min(self._limits.next_due(self._running.values()), self._heartbeat_due)
        due = min([due, *(one.doubtful_until for one in self._ended)])
        return max(0.0, min(due - time.monotonic(), IDLE_SECONDS))

    def _heartbeat(self) -> None:
        now, server = time.monotonic(), self._fork_server
        imported = None if server is None else server.import_seconds
        if now >= self._heartbeat_due or (imported is not None and not self._has_told_import):
            self._heartbeat_due = now + HEARTBEAT_SECONDS
            self._has_told_import = imported is not None
            self._send(Alive(os.getpid(), imported))

    def _report(self, report: AttemptReport) -> None:
        # When the launcher is gone, the outcome file tells its successor.
        if len(encoded(report)) > LONGEST_REPORT_BYTES:
            report = replace(report, metrics={}, error="", is_on_disk=True)
        self._send(report)

    def _send_all(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._send(message)

    def _send(self, message: Message) -> None:
        self._control.send(encoded(message))

    def _end_everything(self) -> None:
        """Kill what runs and wait until it is gone."""
        signal.set_wakeup_fd(-1)
        for running in self._running.values():
            process_tree.kill_group(running.pid)
        if self._fork_server is not None:
            self._fork_server.close()
        process_tree.kill_children()


def _remove_unused(request: StartRequest, report: AttemptReport) -> None:
    """Remove the new folder of an attempt that never began: on a full disk it takes what others need."""
    if not report.has_begun:
        shutil.rmtree(request.folder, ignore_errors=True)
