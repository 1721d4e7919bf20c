"""The launcher's end of a supervisor: its process, its socket, what it runs."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ambs_hpc.launcher.supervisor.messages import (
    NO_CONTAINER,
    Alive,
    AttemptReport,
    ImportFailed,
    Message,
    NodeProbed,
    NodeTaken,
    ProbeOrder,
    Reported,
    StartRequest,
    StopOrder,
    decoded_from_line,
    encoded,
)
from ambs_hpc.launcher.supervisor.process_tree import TOKEN_ROOM, TOKEN_VARIABLE, state_of
from ambs_hpc.launcher.supervisor.standalone import PROGRAM
from ambs_hpc.launcher.supervisor.transport import LastLines, Transport

logger = logging.getLogger(__name__)

END_SECONDS = 10.0
DEATH_SECONDS = 2.0  # a killed process that has not vanished by then hangs in the kernel
ABANDON_SECONDS = 1.0  # for a launch command to end when its node says nothing any more
# A supervisor on another node that says nothing for so long is lost with its node: it beats every 10 s.
# Before its first word an interpreter has to come from a file system that a thousand others read at once.
SILENCE_SECONDS = 60.0
GREETING_SECONDS = 180.0
CONTAINER_SECONDS = 900.0  # the same where an image may have to be fetched and converted before
WORDS_SECONDS = 0.1  # for the end of what a dead command has said, which a child of it may hold open
LATE = (
    f"and had not started after {CONTAINER_SECONDS:.0f} s. If its image has to be fetched, "
    "do that once before, such as by `apptainer pull`."
)
MOST_TOLD = 5  # kinds of lines by others that are logged, and of each
TOLD_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class SupervisorKey:
    """Which evaluations share a supervisor.

    Args:
        function, directory: the warm objective; None and "" for commands, in a container their problem's
            folder.
        threads: numeric libraries read their thread count when they are imported.
        alone_for: the evaluation that has this supervisor to itself.
        node: another node, reached by the launch command; "" is this one.
        within: the words that start a program in a container, its Python the last of them; () for none.
        holds_node: whether it keeps launchers of other allocations from the node where it runs; one that only
            starts launch commands for ranks on other nodes does not use it.
    """

    function: str | None
    directory: str
    threads: int
    alone_for: int | None
    node: str = ""
    within: tuple[str, ...] = ()
    holds_node: bool = True

    @classmethod
    def of(
        cls,
        request: StartRequest,
        alone_for: int | None = None,
        node: str = "",
        *,
        holds_node: bool = True,
    ) -> SupervisorKey:
        """Of the supervisor that starts this request."""
        function, directory, within = request.function, request.objective_directory, tuple(request.within)
        return cls(function, directory, request.threads, alone_for, node, within, holds_node)


class SupervisorClient:
    """A supervisor that has been started; requests wait in the socket while it imports its module."""

    def __init__(
        self,
        key: SupervisorKey,
        environment: Mapping[str, str],
        launch: Sequence[str] = (),
        prefix: Sequence[str] = (),
    ) -> None:
        """
        Args:
            environment: what the supervisor, and all that it starts, gets.
            launch: the command that starts a program on the key's node; () on this one.
            prefix: a command that starts another one, and becomes it.
        """
        self.key = key
        self.running: dict[int, StartRequest] = {}  # by evaluation
        self.is_dead = False
        self.has_greeted = False
        self.unloadable: str | None = None
        self.is_unfit = False  # its node is, and it starts nothing
        self.taken_by = ""  # who else has its node, where it starts nothing
        self.was_told_to_probe = False
        self._heard_at = time.monotonic()
        self._foreign: set[str] = set()  # kinds of lines that have been logged
        environment = {**environment, TOKEN_VARIABLE: "." * TOKEN_ROOM}
        program = [sys.executable, "-m", "ambs_hpc.launcher.supervisor"]
        function = [] if key.function is None else [key.function, key.directory]
        self._said: LastLines | None = None
        if launch or key.within:
            # Of descriptors, programs that start containers hand on the standard streams for certain.
            inner = [*key.within, PROGRAM, "__main__"] if key.within else program
            command = [*prefix, *launch, *inner, "-", *function]
            self._transport, self._process = _over_pipes(command, environment, subprocess.PIPE)
            assert self._process.stderr is not None
            self._said = LastLines(self._process.stderr)
        else:
            self._transport, self._process = _over_socket([*prefix, *program], function, environment)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def fileno(self) -> int:
        """The descriptor to poll for what it says."""
        return self._transport.fileno()

    def writer(self) -> int:
        """The descriptor to poll while something is unsent."""
        return self._transport.writer()

    @property
    def attempts(self) -> list[tuple[int, int]]:
        """(id, attempt) of what runs, or waits in the socket."""
        return [(one.id, one.attempt) for one in self.running.values()]

    def holds(self, evaluation_id: int, attempt: int, token: str) -> bool:
        """Whether it runs this attempt: numbers repeat when a database goes back, and tokens do not."""
        request = self.running.get(evaluation_id)
        return request is not None and (request.attempt, request.token) == (attempt, token)

    def probe(self, order: ProbeOrder) -> None:
        """Ask the supervisor to look at its node before what it is asked to start next."""
        self.was_told_to_probe = True
        self._transport.send(encoded(order))

    def start(self, request: StartRequest) -> None:
        """Ask the supervisor to start an evaluation."""
        self.running[request.id] = request
        self._transport.send(encoded(replace(request, within=()) if request.within else request))

    def stop(self, ids: Sequence[int], grace_seconds: float) -> None:
        """Ask the supervisor to end evaluations."""
        self._transport.send(encoded(StopOrder(list(ids), grace_seconds)))

    def receive(self) -> list[Message]:
        """Return the messages that have come since the last call, and note the death of the sender."""
        self._transport.flush()
        messages: list[Message] = []
        while True:
            received = self._transport.receive()
            if received is None:
                self.is_dead = True
                return messages
            messages += [message for line in received for message in self._understood(line)]
            if not received and not self._has_more():
                return messages

    def last_words(self, deadline: float) -> str:
        """What the command said last to people that started it elsewhere or in a container; "" for nothing.

        Args:
            deadline: on the monotonic clock, by which many of them have been asked.
        """
        patience = min(WORDS_SECONDS, max(0.0, deadline - time.monotonic()))
        return "" if self._said is None else self._said.text(patience)

    def no_container(self, deadline: float) -> ImportFailed | None:
        """That the container of this supervisor, which is given up, did not start.

        None where it did, or there is none.

        Args:
            deadline: as of `last_words`.
        """
        if not self.key.within or self.has_greeted or self.taken_by:
            return None
        return container_failure(self.key, self.last_words(deadline), is_late=not self.is_dead)

    def _understood(self, line: bytes) -> list[Message]:
        """The message in a line; [] where a launch command or a tool of the site has written it.

        A message of ours that others have written into cannot be read, nor be asked for again: its sender is
        taken for dead, and what it ran is found by its files.
        """
        try:
            message = decoded_from_line(line)
        except ValueError as error:
            logger.error("broken message node=%s: %s", self.key.node, error)
            self.is_dead = True
            return []
        if isinstance(message, Alive | NodeProbed | NodeTaken | Reported | AttemptReport | ImportFailed):
            self._heard_at = time.monotonic()
            self.has_greeted |= isinstance(message, Alive)
            self.taken_by = message.who if isinstance(message, NodeTaken) else self.taken_by
            return [message]
        text = line[:TOLD_CHARACTERS].decode(errors="replace")
        kind = "".join(one for one in text if one.isalpha())[:20]
        if kind not in self._foreign and len(self._foreign) < MOST_TOLD:
            self._foreign.add(kind)
            logger.info("no message of a supervisor node=%s: %r", self.key.node, text)
        return []

    def _has_more(self) -> bool:
        """Whether more can be read now: an error of the socket hides messages that came before it."""
        poll = select.poll()  # select knows descriptors below 1024 only
        poll.register(self._transport, select.POLLIN)
        return bool(poll.poll(0))

    @property
    def has_unsent(self) -> bool:
        """Whether requests wait because the socket is full."""
        return self._transport.has_unsent

    @property
    def is_silent(self) -> bool:
        """Whether it is on another node, or in a container, and has said nothing for too long."""
        return not self._is_here and self._says_nothing

    def wake(self) -> None:
        """Let it go on where it is on this machine, and an evaluation of it or a person has stopped it."""
        if self._is_here and self._says_nothing and state_of(self.pid) in "Tt":
            logger.warning("supervisor %d was stopped, and goes on", self.pid)
            self._process.send_signal(signal.SIGCONT)

    @property
    def _is_here(self) -> bool:
        return not (self.key.node or self.key.within)

    @property
    def _says_nothing(self) -> bool:
        greeting = CONTAINER_SECONDS if self.key.within else GREETING_SECONDS
        return time.monotonic() - self._heard_at > (SILENCE_SECONDS if self.has_greeted else greeting)

    def close(self) -> None:
        """End the supervisor with all that it runs, and wait until it is gone."""
        close_all([self])

    def _hang_up(self) -> float:
        """Let it see the end of the transport, by which it ends; how long it may take, in seconds."""
        patience = END_SECONDS
        if self.is_silent:
            self._process.terminate()  # Slurm's command then ends what it had started
            patience = ABANDON_SECONDS
        self._transport.close()
        return patience

    def _is_gone_by(self, deadline: float) -> bool:
        """Whether its process has ended, waiting until the deadline on the monotonic clock."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, deadline - time.monotonic()))
            return True
        return False


def container_failure(key: SupervisorKey, said: str, *, is_late: bool = False) -> ImportFailed:
    """That a supervisor's container does not start.

    Args:
        said: the last lines of its program.
        is_late: it was still under way when it was given up.
    """
    error = f"{' '.join(key.within)}\nsaid: {said or 'nothing'}"
    return ImportFailed(f"{error}\n{LATE}" if is_late else error, NO_CONTAINER)


def close_all(supervisors: Sequence[SupervisorClient]) -> None:
    """End supervisors with all that they run, all at once: it takes as long as the slowest of them."""
    begun = time.monotonic()
    deadlines = [(begun + one._hang_up(), one) for one in supervisors]
    left = [one for deadline, one in deadlines if not one._is_gone_by(deadline)]
    for one in left:
        one._process.kill()
    dead_by = time.monotonic() + DEATH_SECONDS
    for one in left:
        if not one._is_gone_by(dead_by):
            logger.error("process %d cannot be killed", one.pid)


def _over_socket(
    program: list[str], function: list[str], environment: Mapping[str, str]
) -> tuple[Transport, subprocess.Popen[bytes]]:
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [*program, str(theirs.fileno()), *function],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
        start_new_session=True,
    )
    theirs.close()
    end = ours.detach()
    return Transport(end, end), process


def _over_pipes(
    command: list[str], environment: Mapping[str, str], stderr: int | None = None
) -> tuple[Transport, subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        reader, writer = os.dup(process.stdout.fileno()), os.dup(process.stdin.fileno())
    except OSError:  # too many open files
        process.kill()
        process.wait()
        raise
    process.stdin.close()
    process.stdout.close()
    return Transport(reader, writer), process


def wait_for_any(supervisors: Sequence[SupervisorClient], timeout_seconds: float) -> list[SupervisorClient]:
    """The supervisors from which something can be read, waiting for the first until the timeout."""
    poll = select.poll()
    by_descriptor: dict[int, SupervisorClient] = {}
    for supervisor in supervisors:
        by_descriptor[supervisor.fileno()] = by_descriptor[supervisor.writer()] = supervisor
        poll.register(supervisor.fileno(), select.POLLIN)
        if supervisor.has_unsent:
            poll.register(supervisor.writer(), select.POLLIN | select.POLLOUT)
    ready = [by_descriptor[descriptor] for descriptor, _ in poll.poll(1000 * timeout_seconds)]
    return list(dict.fromkeys(ready))
