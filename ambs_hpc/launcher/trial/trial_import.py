"""One import of an objective's module in a process of the launcher's kind, before anything is spent."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from ambs_hpc.launcher.environment import attempt_environment, supervisor_environment
from ambs_hpc.launcher.supervisor import standalone

TRIAL_VARIABLE = "AMBS_TRIAL"  # set for the module that is imported: it must not begin a campaign
TRIAL_SECONDS = 120.0  # a deep-learning framework from a cold parallel file system takes a minute
TOLD_AFTER_SECONDS = 3.0
TAIL_BYTES = 3000


@dataclass(frozen=True, slots=True)
class Trial:
    """What a trial import showed.

    Args:
        told: as `trial_main.told_of` returns it; {} where the program told nothing.
        trouble: why it told nothing, as the end of a sentence; "" where it did.
        printed: the end of what it wrote on stderr, its traceback too.
    """

    told: Mapping[str, Any] = field(default_factory=dict)
    trouble: str = ""
    printed: str = ""


def try_import(
    objective: str,
    directory: str,
    tell: Callable[[], None] = lambda: None,
    seconds: float = TRIAL_SECONDS,
) -> Trial:
    """Import the module of "module:function" as an evaluation would, in an empty folder, and end it.

    Args:
        directory: put first on the import path.
        tell: called once when it takes longer than TOLD_AFTER_SECONDS.
        seconds: after which it is ended.
    """
    command = [sys.executable, standalone.PROGRAM, "functions.trial_main", objective, directory]
    environment = {**supervisor_environment(os.environ, 0), **attempt_environment(os.environ, 1)}
    environment[TRIAL_VARIABLE] = "1"
    with (
        tempfile.TemporaryDirectory(prefix="ambs-trial-") as folder,
        tempfile.TemporaryFile() as answer,
        tempfile.TemporaryFile() as errors,
    ):
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=answer,
            stderr=errors,
            start_new_session=True,
        )
        try:
            is_over = _has_ended(child, min(seconds, TOLD_AFTER_SECONDS))
            if not is_over and seconds > TOLD_AFTER_SECONDS:
                tell()
                is_over = _has_ended(child, seconds - TOLD_AFTER_SECONDS)
        finally:
            _end(child)
        printed = _end_of(errors).decode(errors="replace").strip()
        if not is_over:
            return Trial(trouble=f"has not ended after {seconds:g} s", printed=printed)
        return _trial(_end_of(answer, whole=True), child.returncode, printed)


def _has_ended(child: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(child: subprocess.Popen[bytes]) -> None:
    """End it and what it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _end_of(file: IO[bytes], *, whole: bool = False) -> bytes:
    length = file.seek(0, os.SEEK_END)
    file.seek(0 if whole else max(0, length - TAIL_BYTES))
    return file.read()


def _trial(answer: bytes, status: int, printed: str) -> Trial:
    try:
        told = json.loads(answer)
    except ValueError:
        how = f"killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return Trial(trouble=f"was {how}" if status < 0 else how, printed=printed)
    return Trial(told, printed=printed)
