"""What ties a script to whoever started it: the readers of its output, and the parent of its session.

Where scripts are started over ssh, nothing else tells a script that its allocation is over: the scheduler's
signals end at the ssh client.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import stat
from collections.abc import Sequence
from pathlib import Path

logger = logging.getLogger(__name__)

STREAMS = {1: "standard output", 2: "standard error"}
_PARENT_FIELD = 4  # proc(5): ppid


class Lifeline:
    """Of this process; what was missing from the start is not missed later."""

    def __init__(self, streams: Sequence[int] = tuple(STREAMS)) -> None:
        """`streams`: descriptors of the standard output and error; files and terminals are not looked at."""
        self._leader = os.getsid(0) or os.getpid()  # 0: of another PID namespace
        self._parent: int | None = None
        self._parent = self._parent_now()
        self._streams = [one for one in streams if _has_reader(one) and not _is_dead(one)]
        self._lost = ""

    def lost(self) -> str:
        """What is lost, in words; "" for nothing.

        A dead stream is replaced, so that writing to it is no error.
        """
        for stream in [one for one in self._streams if _is_dead(one)]:
            self._streams.remove(stream)
            _silence(stream)
            self._note(f"nobody reads the {STREAMS.get(stream, 'output')} any more")
        # Whoever began below init has no parent to lose.
        if not self._lost and self._parent not in (None, 0, 1) and self._parent_now() != self._parent:
            self._note("the process that started the script is gone")
        return self._lost

    def _parent_now(self) -> int | None:
        """The former one where it cannot be read, such as by a process that has too many open files."""
        try:
            return parent_of(self._leader)
        except OSError:
            return self._parent

    def _note(self, words: str) -> None:
        if not self._lost:
            self._lost = words
            logger.warning("lifeline lost: %s", words)


def parent_of(pid: int) -> int | None:
    """The parent of a process; None when it has ended.

    Raises:
        OSError: it could not be read.
    """
    if pid == os.getpid():
        return os.getppid()
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[_PARENT_FIELD - 3])


def _has_reader(descriptor: int) -> bool:
    """Whether it is something with another end."""
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:  # closed
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _is_dead(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, 0)  # errors and hang-ups are told unasked
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _silence(descriptor: int) -> None:
    with contextlib.suppress(OSError):  # too many open files: writing to it is an error then
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
