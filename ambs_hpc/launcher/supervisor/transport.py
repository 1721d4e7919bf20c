"""Messages between launcher and supervisor: packets over a socket on this node, lines over pipes to another.

A launch command (srun, mpiexec, aprun) forwards standard input and output, and nothing else everywhere.
"""

from __future__ import annotations

import os
import socket
from typing import Protocol

MESSAGE_BYTES = 1 << 18
# Over pipes a supervisor says so often that it lives: its launcher is on another node and cannot see it die.
HEARTBEAT_SECONDS = 10.0


class Transport(Protocol):
    """One end of a connection; a message is bytes without line breaks."""

    def fileno(self) -> int:
        """The descriptor to poll for reading."""
        ...

    def writer(self) -> int:
        """The descriptor to poll for writing."""
        ...

    def receive(self) -> list[bytes] | None:
        """The messages that have come; [] when none has, None when the other end has closed."""
        ...

    def send(self, message: bytes) -> int:
        """Send as much of the message as fits; return how many bytes were taken, the line end included.

        Raises:
            BlockingIOError: nothing can be taken now.
            ConnectionError: the other end is gone.
        """
        ...

    def close(self) -> None:
        """Close this end; the other end can tell."""
        ...


class PacketTransport:
    """Over a SOCK_SEQPACKET socket: each message is taken whole."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    def fileno(self) -> int:
        return self._socket.fileno()

    def writer(self) -> int:
        return self._socket.fileno()

    def receive(self) -> list[bytes] | None:
        try:
            packet = self._socket.recv(MESSAGE_BYTES)
        except BlockingIOError:
            return []
        except ConnectionError:
            return []  # it ended with messages unread; what it said before, and the end, come after this
        return [packet] if packet else None

    def send(self, message: bytes) -> int:
        return self._socket.send(message)

    def close(self) -> None:
        self._socket.close()


class LineTransport:
    """Over two pipes; each message is a line."""

    def __init__(self, reader: int, writer: int) -> None:
        self._reader, self._writer = reader, writer
        self._partial = b""

    def fileno(self) -> int:
        return self._reader

    def writer(self) -> int:
        return self._writer

    def receive(self) -> list[bytes] | None:
        try:
            read = os.read(self._reader, MESSAGE_BYTES)
        except BlockingIOError:
            return []
        if not read:
            return None
        *lines, self._partial = (self._partial + read).split(b"\n")
        return [line for line in lines if line]

    def send(self, message: bytes) -> int:
        return os.write(self._writer, message)

    def close(self) -> None:
        for descriptor in {self._reader, self._writer}:
            os.close(descriptor)


def framed(transport: Transport, message: bytes) -> bytes:
    """The message as the transport's `send` takes it."""
    return message + b"\n" if isinstance(transport, LineTransport) else message


def send_all(transport: Transport, message: bytes) -> None:
    """Send a whole message on a transport that blocks."""
    rest = memoryview(framed(transport, message))
    while rest:
        rest = rest[transport.send(bytes(rest)) :]
