"""The one way to the terminal: what the command line prints cannot control the terminal that shows it.

Names, errors and metrics come from a database, logs from other people's programs. Raw, they could move the
cursor over what stands there, set the clipboard, or show letters in another order than they have.
"""

from __future__ import annotations

import codecs
import logging
import re
import sys

from ambs_hpc.hints import pasteable
from ambs_hpc.shown_text import harmless as harmless  # also for those who write by other means

_COLOUR = re.compile("(\x1b\\[[0-9;:]{0,32}m)")  # SGR: colours, bold, underlined
_UNFINISHED = re.compile("\r$|\x1b(\\[[0-9;:]{0,32})?$")  # more text may make it a line end, or a colour
_NO_COLOUR = "\x1b[0m"


class HarmlessOutput:
    """Makes the output of a program harmless, piece by piece.

    A carriage return begins a new line instead of overwriting one; bytes that are no UTF-8 are written out.

    Args:
        colours: keep sequences that only set colours; otherwise they are left out.
    """

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._held = ""

    def feed(self, data: bytes) -> str:
        """What can be shown of the output up to here."""
        text = self._held + self._decoder.decode(data)
        unfinished = _UNFINISHED.search(text)
        end = unfinished.start() if unfinished else len(text)
        self._held = text[end:]
        return self._shown(text[:end])

    def end(self) -> str:
        """What is left at the end of the output; colours are over."""
        text = self._shown(self._held + self._decoder.decode(b"", final=True))
        self._held = ""
        return text + (_NO_COLOUR if self._colours else "")

    def _shown(self, text: str) -> str:
        lines = text.replace("\r\n", "\n").replace("\r", "\n")
        parts = _COLOUR.split(lines)  # every second one is a colour
        parts[0::2] = [harmless(part) for part in parts[0::2]]
        return "".join(parts if self._colours else parts[0::2])


def write(text: str, *, err: bool = False, is_stored: bool = False) -> None:
    """Write the text on stdout or stderr, harmless, its commands completed by what this one was called with.

    Args:
        is_stored: it is a value from the database, which is shown as it stands there.
    """
    (sys.stderr if err else sys.stdout).write(harmless(text if is_stored else pasteable(text)))


def echo(line: str, *, err: bool = False) -> None:
    """Write a line on stdout or stderr, harmless."""
    write(f"{line}\n", err=err)


def write_traceback(error: BaseException) -> None:
    """Write the traceback of an unexpected error on stderr, harmless."""
    import traceback

    write("".join(traceback.format_exception(error)), err=True)


class HarmlessFormatter(logging.Formatter):
    """Formats log records: no control characters, and no message that looks like several records."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's own name)
        return harmless(super().formatMessage(record)).replace("\n", "\n    ")

    def formatException(self, ei: object) -> str:  # noqa: N802 (logging's own name)
        return harmless(super().formatException(ei))  # type: ignore[arg-type]  # passed on as it came
