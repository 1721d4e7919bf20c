"""stdin, stdout and stderr as all commands use them: closed, full or broken ones end nothing by surprise."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from typing import Any

STDOUT = "stdout"


def hold_standard_streams() -> None:
    """Open what the caller closed, let errors of stdout name it, and lose what stderr cannot take.

    A closed one becomes /dev/null: the next file that is opened would get its number, and what is printed.
    """
    for descriptor, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, flags)  # the lowest free number, which is this one
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115  as long as the process
    # Only the process's own: a test may have put another in its place.
    if sys.stdout is sys.__stdout__:  # a locale without a sign that a text has is no error
        sys.stdout = _text(_NamedOutput(1, "wb", closefd=False), sys.__stdout__)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(_PatientOutput(2, "wb", closefd=False), sys.__stderr__)


def give_up_stdout() -> None:
    """Send nowhere what is still to be written on stdout: the end of the interpreter would fail of it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


class _NamedOutput(io.FileIO):
    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise OSError(error.errno, error.strerror, STDOUT) from error


class _PatientOutput(io.FileIO):
    def write(self, data: Any, /) -> int:
        # A log on a full file system is no reason to end a search.
        write: Callable[[Any], int] = super().write
        try:
            return write(data)
        except OSError:
            return memoryview(data).nbytes


def _text(raw: io.FileIO, like: io.TextIOBase | None) -> io.TextIOWrapper:
    encoding = getattr(like, "encoding", None) or "utf-8"
    lines = raw.fileno() == 2 or raw.isatty()
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, "backslashreplace", line_buffering=lines)
