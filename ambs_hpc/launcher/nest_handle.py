"""The launcher's end of a nest: its process, its socket, what it runs."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ambs_hpc.launcher.machine import GPU_VARIABLES
from ambs_hpc.launcher.offspring import TOKEN_ROOM, TOKEN_VARIABLE

MESSAGE_BYTES = 1 << 18
END_SECONDS = 10.0
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class NestKey:
    """Which evaluations share a nest.

    Args:
        function, directory: the warm objective; None and "" for commands.
        threads: numeric libraries read their thread count when they are imported.
        alone_for: the evaluation that has this nest to itself.
    """

    function: str | None
    directory: str
    threads: int
    alone_for: int | None


class NestHandle:
    """A nest that has been started; requests wait in the socket while it imports its module."""

    def __init__(self, key: NestKey) -> None:
        self.key = key
        self.running: dict[int, tuple[int, dict[str, Any]]] = {}  # id: attempt, request
        self.is_dead = False
        self.unloadable: str | None = None
        self._unsent: list[bytes] = []
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        arguments = [str(theirs.fileno())]
        if key.function is not None:
            arguments += [key.function, key.directory]
        threads = dict.fromkeys(THREAD_VARIABLES, str(key.threads)) if key.threads else {}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ambs_hpc.launcher.child", *arguments],
            env={**threads, **inherited_environment(), TOKEN_VARIABLE: "." * TOKEN_ROOM},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def fileno(self) -> int:
        """For select."""
        return self._socket.fileno()

    def start(self, evaluation_id: int, attempt: int, request: dict[str, Any]) -> None:
        """Have an evaluation started."""
        self.running[evaluation_id] = (attempt, request)
        self._send({"start": request})

    def stop(self, ids: Sequence[int], grace_seconds: float) -> None:
        """Have evaluations ended."""
        self._send({"stop": list(ids), "grace_seconds": grace_seconds})

    def receive(self) -> list[dict[str, Any]]:
        """What it has said since; notes its death."""
        self._flush()
        messages: list[dict[str, Any]] = []
        while True:
            try:
                packet = self._socket.recv(MESSAGE_BYTES)
            except BlockingIOError:
                return messages
            except ConnectionError:
                continue  # it ended with requests unread; what it said before, and the end, come after this
            if not packet:
                self.is_dead = True
                return messages
            messages.append(json.loads(packet))

    @property
    def has_unsent(self) -> bool:
        """Requests that its full socket could not take yet."""
        return bool(self._unsent)

    def close(self) -> None:
        """End it, and with it all that it runs; waits until it is gone."""
        self._socket.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, message: dict[str, Any]) -> None:
        self._unsent.append(json.dumps(message).encode())
        self._flush()

    def _flush(self) -> None:
        while self._unsent:
            try:
                self._socket.send(self._unsent[0])
            except BlockingIOError:
                return
            except (BrokenPipeError, ConnectionError):
                return  # `receive` sees its end
            del self._unsent[0]


def inherited_environment() -> dict[str, str]:
    """Ours, without the GPUs of the whole node and without the database's password."""
    hidden = {*GPU_VARIABLES, "AMBS_DB", "PGPASSWORD"}
    return {name: value for name, value in os.environ.items() if name not in hidden}


def wait_for_any(nests: Sequence[NestHandle], timeout_seconds: float) -> list[NestHandle]:
    """Those that have something to say, waiting at most so long for the first."""
    poll = select.poll()
    by_descriptor = {nest.fileno(): nest for nest in nests}
    for descriptor, nest in by_descriptor.items():
        poll.register(descriptor, select.POLLIN | (select.POLLOUT if nest.has_unsent else 0))
    return [by_descriptor[descriptor] for descriptor, _ in poll.poll(1000 * timeout_seconds)]
