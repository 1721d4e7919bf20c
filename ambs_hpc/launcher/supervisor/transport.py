"""Messages between launcher and supervisor: lines over a socket on this node, over pipes to another.

A launch command (srun, mpiexec, aprun) forwards standard input and output, and nothing else everywhere.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections import deque
from typing import IO

READ_BYTES = 1 << 18
MOST_LINES, LINE_BYTES = 20, 500  # that are kept of what is said to people
LINES_SECONDS = 1.0
# A supervisor says so often that it lives: a launcher on another node cannot see it die.
HEARTBEAT_SECONDS = 10.0


class LastLines:
    """What a process says to people, passed on to our own standard error; its last lines are kept.

    A thread reads it: a program that starts a container says there why it could not.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        """`stream` is this object's from now on."""
        self._lines: deque[bytes] = deque(maxlen=MOST_LINES)
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def text(self, patience_seconds: float = LINES_SECONDS) -> str:
        """The last lines, waiting so long for the end of the stream."""
        self._thread.join(patience_seconds)
        return b"".join(list(self._lines)).decode(errors="replace").strip()

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            for line in iter(lambda: stream.readline(READ_BYTES), b""):
                self._lines.append(line[:LINE_BYTES])
                with contextlib.suppress(OSError, ValueError):  # a full disk, or nobody reads it any more
                    sys.stderr.buffer.write(line)
                    sys.stderr.buffer.flush()


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
