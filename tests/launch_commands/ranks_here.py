"""Ranks of pretended launch commands: processes of this machine, each under the host name of its node.

Standard input goes to the first. Needs root for the host names; without it they keep this machine's.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

AS_HOST = ["unshare", "--uts", "sh", "-c", 'hostname "$1"; shift; exec "$@"', "sh"]


def run(program: Sequence[str], places: Sequence[tuple[str, Mapping[str, str]]], *, together: bool) -> int:
    """Start a rank for each (host, variables) and wait for all; with `together` all die with one."""
    started: list[subprocess.Popen[bytes]] = []
    received: list[int] = []

    def pass_on(number: int, _frame: object) -> None:
        received.append(number)
        end(started, number)

    for number in (signal.SIGTERM, signal.SIGHUP):  # first: a rank may be heard of at once
        signal.signal(number, pass_on)
    for index, (host, variables) in enumerate(places):
        started.append(
            subprocess.Popen(
                [*([*AS_HOST, host] if os.geteuid() == 0 else []), *program],
                env={**os.environ, **variables},
                stdin=None if index == 0 else subprocess.DEVNULL,
                start_new_session=True,
            )
        )
    for number in received:  # by those, too, that were not started yet
        end(started, number)
    return _wait(started, together)


def end(processes: Sequence[subprocess.Popen[bytes]], number: int) -> None:
    """Send a signal to all that live."""
    for one in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(one.pid, number)


def refuse(words: str, code: int = 1) -> None:
    """End as a command that was called wrongly."""
    sys.stderr.write(words + "\n")
    sys.exit(code)


def _wait(started: Sequence[subprocess.Popen[bytes]], together: bool) -> int:
    worst, alive = 0, list(started)
    while alive:
        pid, status = os.wait()
        code = os.waitstatus_to_exitcode(status)
        alive = [one for one in alive if one.pid != pid]
        if code and not worst:
            worst = code if code > 0 else 128 - code
            if together:
                end(alive, signal.SIGKILL)
    return worst
