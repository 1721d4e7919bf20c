"""Signals for as long as something runs: only the main thread of a program can take them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def signals_to(interrupted: Callable[[int], None]) -> Iterator[None]:
    """Call `interrupted` with each Ctrl-C and TERM; those who took them before take them afterwards again.

    In another thread than the main one nothing is changed: there Python gives signals to nobody.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda got, _frame: interrupted(got)) for number in NUMBERS}
    try:
        yield
    finally:
        for number, handler in before.items():
            # None: set by a program around Python, and nothing that Python could set again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


class RunInterrupted(KeyboardInterrupt):
    """A run was stopped before it was done. All is stored, and running it again goes on.

    As a KeyboardInterrupt it also stops the program, or the cells of a notebook that come next.
    """
