"""A search beside the launcher, inside an allocation: started, started again, ended with it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import partial

from ambs_hpc.clock import Clock
from ambs_hpc.launcher.environment import search_environment
from ambs_hpc.launcher.supervisor.client import END_SECONDS
from ambs_hpc.launcher.supervisor.process_tree import die_with_parent, waited_for

logger = logging.getLogger(__name__)

THREADS = 2  # it shares its node with evaluations
NICENESS = 10
RESTART_SECONDS = 30.0  # another search of the campaign may be alive, or the database away
STEADY_SECONDS = 60.0  # one that lived so long was well
HOPELESS_AFTER = 3  # that died sooner, in a row: nodes must not idle for a problem that cannot be searched
HOPELESS_STATUS = 4  # with which the search ends when nothing succeeds: another one would end so too


class SearchProcess:
    """A child that proposes while we launch."""

    def __init__(self, command: Sequence[str], clock: Clock) -> None:
        """`command`: ends with 0 when the search is complete, with HOPELESS_STATUS when nothing succeeds."""
        self._command, self._clock = list(command), clock
        self._deaths = 0  # soon after the start, in a row
        self._restart_at: float | None = None
        self._started_at = clock.monotonic()
        self._child = self._start()
        self.is_complete = False
        self.is_hopeless = False  # it is complete, but nothing came of it

    def look(self) -> bool:
        """Whether it may be expected to propose; starts it again some time after it ended too soon."""
        now = self._clock.monotonic()
        if self._restart_at is not None:
            if now >= self._restart_at:
                self._restart_at, self._started_at = None, now
                self._child = self._start()
        elif not self.is_complete:
            status = self._child.poll()
            self.is_complete = status in (0, HOPELESS_STATUS)
            self.is_hopeless = status == HOPELESS_STATUS
            if status and not self.is_hopeless:
                self._note_death(status, now)
        return not self.is_complete and self._deaths < HOPELESS_AFTER

    def _note_death(self, status: int, now: float) -> None:
        self._deaths = 1 if now - self._started_at >= STEADY_SECONDS else self._deaths + 1
        self._restart_at = now + RESTART_SECONDS
        logger.warning("search ended status=%d, started again in %d s", status, RESTART_SECONDS)
        if self._deaths == HOPELESS_AFTER:
            logger.error("search died %d times, the launcher ends when nothing is left to run", self._deaths)

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
        child = subprocess.Popen(
            self._command,
            env=search_environment(os.environ, THREADS),
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),  # what we print may be JSON for a script
            start_new_session=True,
            preexec_fn=partial(_give_way, os.getpid()),
        )
        waited_for.add(child.pid)
        return child


def _give_way(parent: int) -> None:
    """In the child: give way to evaluations, and do not outlive the launcher."""
    os.nice(NICENESS)
    die_with_parent(parent)
