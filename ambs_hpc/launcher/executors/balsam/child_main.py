"""The program that Balsam starts for an evaluation: `python -m (this module) FOLDER`.

It keeps the evaluation's limits and leaves how it ended in files. It ends with status 0 whatever becomes of
the evaluation, since Balsam repeats without a word what ends otherwise; and when it is started again for the
same attempt it does nothing.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from ambs_hpc.launcher.executors.balsam import files
from ambs_hpc.launcher.paths import run_directory_of
from ambs_hpc.launcher.supervisor import outcome, process_tree
from ambs_hpc.launcher.supervisor.fork_server import ERROR_CHARACTERS, load_function
from ambs_hpc.launcher.supervisor.forked import enter_attempt, flush
from ambs_hpc.launcher.supervisor.function_main import RANK_VARIABLES, is_first_rank
from ambs_hpc.launcher.supervisor.messages import ImportFailed, StartRequest, from_json
from ambs_hpc.launcher.supervisor.orphan_reaper import DEATH_SECONDS, kill_marked
from ambs_hpc.launcher.supervisor.random_seed import load_generators
from ambs_hpc.launcher.supervisor.running_attempt import LimitKeeper, RunningAttempt
from ambs_hpc.launcher.supervisor.spawn import REQUEST, start_command
from ambs_hpc.launcher.supervisor.wakeup import TERM_DOUBT_SECONDS, KernelKills, SignalWakeup

LOOK_SECONDS = 1.0  # between two looks for a wish to stop, and for the death of Balsam's launcher
LAST_SECONDS = 7.0  # Balsam kills ten seconds after its TERM
RANKS_MEET_SECONDS = 60.0  # for the first rank to begin
SAME_START_SECONDS = 30.0  # ranks of one start begin within this time


def main(arguments: Sequence[str]) -> int:
    """Run the attempt whose request lies in the folder."""
    folder = arguments[0]
    request = from_json(StartRequest, Path(folder, REQUEST).read_bytes())
    request = replace(request, node=socket.gethostname())
    if request.has_ranks and not is_first_rank(os.environ):
        _run_other_rank(request)
        return 0
    if not files.take(folder, time.time()):
        return 0
    if not request.has_ranks:  # they are of Balsam's own processes
        for name in RANK_VARIABLES:
            os.environ.pop(name, None)
    end = _AttemptSupervisor(request).run()
    files.tell_end(run_directory_of(request.folder), (request.id, request.attempt), end)
    return 0


def _run_other_rank(request: StartRequest) -> None:
    """Become one of the copies of an MPI program; the first rank keeps its limits and reports its end."""
    assert request.arguments is not None
    begun = time.time()
    started = Path(request.folder, files.STARTED)
    while not (started.exists() and started.read_text().strip()):
        if time.time() - begun > RANKS_MEET_SECONDS:
            return
        time.sleep(0.05)
    if begun - float(started.read_text()) > SAME_START_SECONDS:
        return  # an earlier start of this attempt
    os.chdir(request.folder)
    os.environ.update(request.environment)
    os.execvp(request.arguments[0], request.arguments)


class _AttemptSupervisor:
    """Supervises one evaluation, from its start to its last process."""

    def __init__(self, request: StartRequest) -> None:
        self._request, self._folder = request, request.folder
        self._parent = os.getppid()
        self._look_at = 0.0
        self._heartbeat_at = time.monotonic() + files.HEARTBEAT_SECONDS
        self._limits, self._kernel_kills = LimitKeeper(), KernelKills()
        process_tree.become_subreaper()
        self._wakeup = SignalWakeup()

    def run(self) -> files.End:
        """What the launcher is to be told."""
        if files.asked_to_stop(self._folder) is not None:
            return replace(outcome.stopped(self._request), has_begun=False)
        try:
            running = self._start()
        except (OSError, ValueError) as error:
            report = outcome.not_started(self._request, error)
            outcome.write_outcome(self._folder, report)
            return report
        _watch_over(running)
        status = self._wait(running)
        process_tree.kill_group(running.pid)
        process_tree.kill_children()  # whatever escaped; the watch over us with it
        unloadable = Path(self._folder, files.UNLOADABLE)
        if unloadable.exists():
            return ImportFailed(unloadable.read_text())
        return outcome.report_of(running, status, time.time())

    def _start(self) -> RunningAttempt:
        function = self._request.function
        if function is None:
            return start_command(self._request)
        started_at = time.time()
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            _evaluate(self._request, function, started_at)
        return RunningAttempt.now(self._request, pid, started_at)

    def _wait(self, running: RunningAttempt) -> int:
        """Keep its limits until it ends; its wait status."""
        while True:
            status = _reap(running.pid)
            if status is not None:
                if running.ended_by is None and self._kernel_kills.explains(status):
                    running.ended_by = "kernel"
                if running.ended_by is None and outcome.is_termination(status):
                    self._await_own_termination(running)
                return status
            self._limits.enforce([running])
            self._look(running, time.monotonic())
            due = min(self._look_at, self._limits.next_due([running]))
            select.select([self._wakeup], [], [], max(0.0, due - time.monotonic()))
            self._wakeup.drain()

    def _await_own_termination(self, running: RunningAttempt) -> None:
        """It died by TERM: whoever ends Balsam's launcher ends us too, else it was its own TERM."""
        deadline = time.monotonic() + TERM_DOUBT_SECONDS
        while time.monotonic() < deadline:
            if self._wakeup.is_terminated or os.getppid() != self._parent:
                running.ended_by = "stopped"
                return
            select.select([self._wakeup], [], [], 0.1)
            self._wakeup.drain()

    def _look(self, running: RunningAttempt, now: float) -> None:
        if now >= self._heartbeat_at:
            self._heartbeat_at = now + files.HEARTBEAT_SECONDS
            with contextlib.suppress(OSError):  # a person may have removed the folder
                files.heartbeat(self._folder)
        if self._wakeup.is_terminated or os.getppid() != self._parent:  # its launcher ends, or has died
            running.stop("stopped", min(LAST_SECONDS, self._request.grace_seconds))
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            grace = files.asked_to_stop(self._folder)
            if grace is not None:
                running.stop("stopped", grace)


def _evaluate(request: StartRequest, function: str, started_at: float) -> NoReturn:
    """In the fork: import "module:function" and call it; the outcome is left in the folder.

    A module that cannot be imported is no failure of the evaluation: its error is left instead.
    """
    status = 1
    try:
        os.setsid()
        enter_attempt(request)
        try:
            objective = load_function(function, request.module_directory)
            load_generators()
        except BaseException:  # noqa: BLE001  the border to a person's module: whatever its import raises
            Path(files.UNLOADABLE).write_text(traceback.format_exc()[-ERROR_CHARACTERS:])
            os._exit(status)
        status = outcome.run_function(request, objective, started_at)
    except BaseException:  # noqa: BLE001  the border of the process: nothing may return into the supervisor
        sys.excepthook(*sys.exc_info())
    finally:
        flush()
        os._exit(status)


def _reap(pid: int) -> int | None:
    """The wait status of `pid` when it has ended; others that have are collected on the way."""
    while True:
        ended, status = os.waitpid(-1, os.WNOHANG)
        if ended in (0, pid):
            return status if ended else None


def _watch_over(running: RunningAttempt) -> None:
    """Fork a process that kills the evaluation, and what it started, when this one is killed."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(reading)
        return  # `writing` stays open as long as we live
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.close(writing)
        os.read(reading, 1)
        process_tree.kill_group(running.pid)
        time.sleep(DEATH_SECONDS)
        kill_marked([process_tree.mark_of(running.request.token)])
    finally:
        os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
