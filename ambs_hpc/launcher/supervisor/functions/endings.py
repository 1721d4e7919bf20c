"""How a person's function, or a process, ended: in words and numbers for the person."""

from __future__ import annotations

import signal
import sys
import traceback
from pathlib import Path

OURS = str(Path(__file__).parents[1])


def traceback_of(error: BaseException) -> str:
    """The traceback from the first line of a person's own code on: how it was called here helps nobody."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(OURS):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))


def exit_status(error: SystemExit) -> int:
    """The status with which `sys.exit(...)` ends a program; a text is printed."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)  # noqa: T201  # what the interpreter itself would do
    return 1


def signal_name(number: int) -> str:
    """The name of a signal, as SIGKILL."""
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal other than the first and the last
        return f"signal {number}"
