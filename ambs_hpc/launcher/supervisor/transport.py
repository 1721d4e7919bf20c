"""Messages between launcher and supervisor: lines over a socket on this node, over pipes to another.

A launch command (srun, mpiexec, aprun) forwards standard input and output, and nothing else everywhere.
"""

from __future__ import annotations

import os
from collections import deque

READ_BYTES = 1 << 18
# A supervisor says so often that it lives: a launcher on another node cannot see it die.
HEARTBEAT_SECONDS = 10.0


class Transport:
    """One end of a connection over two descriptors, or one twice; a message is bytes without line breaks.

    It never waits: neither end must be deaf because the other does not listen.
    """

    def __init__(self, reader: int, writer: int) -> None:
        """The descriptors are this object's from now on."""
        self._reader, self._writer = reader, writer
        for descriptor in (reader, writer):
            os.set_blocking(descriptor, False)
        self._unsent: deque[memoryview] = deque()
        self._partial: list[bytes] = []  # of a message whose end has not come

    def fileno(self) -> int:
        """The descriptor to poll for reading."""
        return self._reader

    def writer(self) -> int:
        """The descriptor to poll for writing."""
        return self._writer

    def receive(self) -> list[bytes] | None:
        """The messages that have come; [] when none has, None when the other end has closed."""
        try:
            read = os.read(self._reader, READ_BYTES)
        except BlockingIOError:
            return []
        except ConnectionError:
            return []  # it ended with messages unread; what it said before, and the end, come after this
        if not read:
            return None
        *lines, rest = read.split(b"\n")
        if lines:
            lines[0] = b"".join([*self._partial, lines[0]])
            self._partial = []
        self._partial.append(rest)
        return [line for line in lines if line]

    def send(self, message: bytes) -> None:
        """Send a message, or as much of it as fits now: `flush` sends the rest."""
        self._unsent.append(memoryview(message + b"\n"))
        self.flush()

    @property
    def has_unsent(self) -> bool:
        """Whether something waits for room: poll for writing then, and flush."""
        return bool(self._unsent)

    def flush(self) -> None:
        """Send what fits of what waits; what nobody will ever read is dropped."""
        while self._unsent:
            try:
                taken = os.write(self._writer, self._unsent[0])
            except BlockingIOError:
                return
            except ConnectionError:  # the other end is gone: `receive` sees it
                self._unsent.clear()
                return
            self._unsent[0] = self._unsent[0][taken:]
            if not self._unsent[0]:
                self._unsent.popleft()

    def finish(self) -> None:
        """Send all that waits, however long that takes."""
        os.set_blocking(self._writer, True)
        self.flush()

    def close(self) -> None:
        """Close this end; the other end can tell."""
        for descriptor in {self._reader, self._writer}:
            os.close(descriptor)
