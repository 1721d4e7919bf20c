"""The warm process: it has the objective's module loaded and does nothing but fork.

Each fork waits for one attempt, so that an evaluation starts without the cost of a fork, and ends with it.
Supervision is the supervisor's: what a person's module does to signals, threads or this very process cannot
disturb it. Little is done here between two forks, since every page touched then is copied.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import struct
import sys
import traceback
from typing import Any

from ambs_hpc.launcher.supervisor import fork_safety, process_tree
from ambs_hpc.launcher.supervisor.forked import run_attempt
from ambs_hpc.launcher.supervisor.functions.call_form import Objective, taking_a_dict
from ambs_hpc.launcher.supervisor.random_seed import load_generators

FORK = b"h"  # the supervisor's order: fork one more
EXITED = struct.Struct("=cii")  # b"x", pid, status as from waitpid
FORKED = struct.Struct("=ci")  # b"h", pid; with the descriptor on which it takes its request
DESCRIPTOR = struct.Struct("i")
UNLOADABLE = b"u"  # with the traceback, and nothing follows
UNFORKABLE = b"n"  # with the reason, and nothing follows
ERROR_CHARACTERS = 4000
MISSED_THREADS = (
    "{}: threads that its import has started ({}) do not exist in evaluations, which are forked. "
    "Where an evaluation waits for them, say warm=False in the problem: each then imports the module itself"
)


def serve(control: socket.socket, function: str, directory: str) -> None:
    """Fork on the supervisor's orders until it closes `control`; what still runs then is killed.

    Args:
        control: a SOCK_SEQPACKET socket; this end sends EXITED, FORKED, UNLOADABLE and UNFORKABLE.
        function, directory: "module:function" and the folder put first on the import path.
    """
    place = process_tree.token_place()
    try:
        objective = load_function(function, directory)
        load_generators()  # once here, not in every fork
    except BaseException:  # noqa: BLE001  the border to a person's module: whatever its import raises
        control.send(UNLOADABLE + traceback.format_exc()[-ERROR_CHARACTERS:].encode())
        return
    server = _ForkServer(control, objective, place)
    obstacle = fork_safety.obstacle_to_forking()
    if obstacle is not None:
        control.send(UNFORKABLE + obstacle[:ERROR_CHARACTERS].encode())
        return
    if missed := fork_safety.threads_missed_in_forks():
        with contextlib.suppress(OSError, ValueError):  # a full disk, or a module that has closed it
            print(MISSED_THREADS.format(function, ", ".join(missed)), file=sys.stderr, flush=True)  # noqa: T201
    server.serve()


def load_function(name: str, directory: str) -> Objective:
    """Import "module:function" with `directory` first on the import path, as one that takes a configuration.

    Raises:
        TypeError: the attribute cannot be called; else whatever the import raises.
    """
    module_name, _, function_name = name.partition(":")
    sys.path.insert(0, directory)
    function = getattr(importlib.import_module(module_name), function_name)
    if not callable(function):
        raise TypeError(f"{name} is a {type(function).__name__}, not a function")
    return taking_a_dict(function)


class _ForkServer:
    def __init__(self, control: socket.socket, objective: Objective, token_place: int | None) -> None:
        self._control, self._objective, self._token_place = control, objective, token_place
        self._children: set[int] = set()
        self._wake, self._wake_end = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._wake_end, False)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, _ignore)  # wakes the poll
        signal.set_wakeup_fd(self._wake_end, warn_on_full_buffer=False)
        gc.collect()
        gc.freeze()  # a collection in a forked child would copy every page that holds an object

    def serve(self) -> None:
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        control = self._control.fileno()
        while True:
            for descriptor, _ in poll.poll():
                if descriptor != control:
                    self._reap()
                elif not self._obey():
                    self._end_everything()
                    return

    def _obey(self) -> bool:
        try:
            orders = self._control.recv(64)
        except ConnectionError:
            return False
        for _ in orders:
            self._fork_one()
        return bool(orders)

    def _fork_one(self) -> None:
        theirs, ours = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            theirs.close()
            self._leave()
            run_attempt(ours, self._objective, self._token_place)
        ours.close()
        self._children.add(pid)
        with contextlib.suppress(ConnectionError):  # the supervisor is gone: its end is read next
            self._control.sendmsg(
                [FORKED.pack(FORK, pid)],
                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, DESCRIPTOR.pack(theirs.fileno()))],
            )
        theirs.close()

    def _leave(self) -> None:
        """Close what the fork server needs and a forked child must not have."""
        signal.set_wakeup_fd(-1)
        self._control.close()
        os.close(self._wake)
        os.close(self._wake_end)

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 4096)
        while self._children:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._children.discard(pid)
            with contextlib.suppress(ConnectionError):
                self._control.send(EXITED.pack(b"x", pid, status))

    def _end_everything(self) -> None:
        signal.set_wakeup_fd(-1)
        for pid in self._children:
            process_tree.kill_group(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # one that has no session of its own yet


def _ignore(_number: int, _frame: Any) -> None:
    """Do nothing. A handler, because what SIG_IGN ignores stays ignored in programs that evaluations run."""
