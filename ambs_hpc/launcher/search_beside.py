"""A search beside the launcher, inside an allocation: started, started again, ended with it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import partial

from ambs_hpc.launcher.nest_handle import END_SECONDS, THREAD_VARIABLES
from ambs_hpc.launcher.offspring import die_with_parent

logger = logging.getLogger(__name__)

THREADS = 2  # it shares its node with evaluations
NICENESS = 10
RESTART_SECONDS = 60.0  # another search of the campaign may be alive, or the database away


class SearchBeside:
    """A child that proposes while we launch."""

    def __init__(self, command: Sequence[str]) -> None:
        """`command`: an argument vector that ends with status 0 when the search is complete."""
        self._command = list(command)
        self._restart_at = float("inf")
        self._child = self._start()

    def look(self, now: float) -> bool:
        """Whether it is, or will be, at work; starts it again when it ended too soon.

        Args:
            now: monotonic seconds.
        """
        status = self._child.poll()
        if status is None:
            return True
        if status == 0:
            return False
        if self._restart_at == float("inf"):
            logger.warning("search ended status=%d, started again in %d s", status, RESTART_SECONDS)
            self._restart_at = now + RESTART_SECONDS
        elif now >= self._restart_at:
            self._restart_at = float("inf")
            self._child = self._start()
        return True

    def end(self) -> None:
        """TERM: it gives its campaign up and ends; the same command goes on elsewhere."""
        if self._child.poll() is not None:
            return
        self._child.terminate()
        try:
            self._child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        threads = dict.fromkeys(THREAD_VARIABLES, str(THREADS))
        return subprocess.Popen(
            self._command,
            env={**os.environ, **threads},
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),  # what we print may be JSON for a script
            start_new_session=True,
            preexec_fn=partial(_settle, os.getpid()),
        )


def _settle(parent: int) -> None:
    """In the child: give way to evaluations, and do not outlive the launcher."""
    os.nice(NICENESS)
    die_with_parent(parent)
