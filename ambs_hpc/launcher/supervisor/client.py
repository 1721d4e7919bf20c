"""The launcher's end of a supervisor: its process, its socket, what it runs."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ambs_hpc.launcher.machine import GPU_VARIABLES
from ambs_hpc.launcher.supervisor.process_tree import TOKEN_ROOM, TOKEN_VARIABLE
from ambs_hpc.launcher.supervisor.transport import LineTransport, PacketTransport, Transport, framed

END_SECONDS = 10.0
ABANDON_SECONDS = 1.0  # for a launch command to end when its node says nothing any more
# A supervisor on another node that says nothing for so long is lost with its node: it beats every 10 s.
# Before its first word an interpreter has to come from a file system that a thousand others read at once.
SILENCE_SECONDS = 60.0
GREETING_SECONDS = 180.0
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class SupervisorKey:
    """Which evaluations share a supervisor.

    Args:
        function, directory: the warm objective; None and "" for commands.
        threads: numeric libraries read their thread count when they are imported.
        alone_for: the evaluation that has this supervisor to itself.
        node: another node, reached by the launch command; "" is this one.
    """

    function: str | None
    directory: str
    threads: int
    alone_for: int | None
    node: str = ""


class SupervisorClient:
    """A supervisor that has been started; requests wait in the socket while it imports its module."""

    def __init__(self, key: SupervisorKey, launch: Sequence[str] = ()) -> None:
        """`launch`: the command that starts a program on the key's node; () on this one."""
        self.key = key
        self.running: dict[int, tuple[int, dict[str, Any]]] = {}  # id: attempt, request
        self.is_dead = False
        self.has_greeted = False
        self.unloadable: str | None = None
        self._heard_at = time.monotonic()
        self._unsent: list[bytes] = []
        threads = dict.fromkeys(THREAD_VARIABLES, str(key.threads)) if key.threads else {}
        environment = {**threads, **inherited_environment(), TOKEN_VARIABLE: "." * TOKEN_ROOM}
        program = [sys.executable, "-m", "ambs_hpc.launcher.supervisor"]
        function = [] if key.function is None else [key.function, key.directory]
        if launch:
            self._transport, self._process = _over_pipes([*launch, *program, "-", *function], environment)
        else:
            self._transport, self._process = _over_socket(program, function, environment)

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def fileno(self) -> int:
        """For select."""
        return self._transport.fileno()

    def writer(self) -> int:
        """The descriptor to poll while something is unsent."""
        return self._transport.writer()

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
            received = self._transport.receive()
            if received is None:
                self.is_dead = True
                return messages
            if received:
                self._heard_at = time.monotonic()
            messages += [json.loads(one) for one in received]
            if not received and not self._has_more():
                return messages

    def _has_more(self) -> bool:
        """An error of the socket hides what came before it: look again until there is nothing."""
        return bool(select.select([self._transport], [], [], 0)[0])

    @property
    def has_unsent(self) -> bool:
        """Requests that its full socket could not take yet."""
        return bool(self._unsent)

    @property
    def is_silent(self) -> bool:
        """Whether it is on another node and has said nothing for too long."""
        patience = SILENCE_SECONDS if self.has_greeted else GREETING_SECONDS
        return bool(self.key.node) and time.monotonic() - self._heard_at > patience

    def close(self) -> None:
        """End it, and with it all that it runs; waits until it is gone."""
        patience = END_SECONDS
        if self.is_silent:
            self._process.terminate()  # Slurm's command then ends what it had started
            patience = ABANDON_SECONDS
        self._transport.close()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, message: dict[str, Any]) -> None:
        self._unsent.append(framed(self._transport, json.dumps(message).encode()))
        self._flush()

    def _flush(self) -> None:
        while self._unsent:
            try:
                taken = self._transport.send(self._unsent[0])
            except BlockingIOError:
                return
            except ConnectionError:
                return  # `receive` sees its end
            self._unsent[0] = self._unsent[0][taken:]
            if not self._unsent[0]:
                del self._unsent[0]


def _over_socket(
    program: list[str], function: list[str], environment: dict[str, str]
) -> tuple[Transport, subprocess.Popen[bytes]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    process = subprocess.Popen(
        [*program, str(theirs.fileno()), *function],
        env=environment,
        stdin=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
        start_new_session=True,
    )
    theirs.close()
    return PacketTransport(ours), process


def _over_pipes(command: list[str], environment: dict[str, str]) -> tuple[Transport, subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    reader, writer = os.dup(process.stdout.fileno()), os.dup(process.stdin.fileno())
    process.stdin.close()
    process.stdout.close()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    return LineTransport(reader, writer), process


def inherited_environment() -> dict[str, str]:
    """Ours, without the GPUs of the whole node and without the database's password."""
    hidden = {*GPU_VARIABLES, "AMBS_DB", "PGPASSWORD"}
    return {name: value for name, value in os.environ.items() if name not in hidden}


def wait_for_any(supervisors: Sequence[SupervisorClient], timeout_seconds: float) -> list[SupervisorClient]:
    """Those that have something to say, waiting at most so long for the first."""
    poll = select.poll()
    by_descriptor: dict[int, SupervisorClient] = {}
    for supervisor in supervisors:
        by_descriptor[supervisor.fileno()] = by_descriptor[supervisor.writer()] = supervisor
        poll.register(supervisor.fileno(), select.POLLIN)
        if supervisor.has_unsent:
            poll.register(supervisor.writer(), select.POLLIN | select.POLLOUT)
    ready = [by_descriptor[descriptor] for descriptor, _ in poll.poll(1000 * timeout_seconds)]
    return list(dict.fromkeys(ready))
