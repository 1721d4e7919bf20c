"""The launcher process beside a search: started, watched, drained, stopped."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

logger = logging.getLogger(__name__)

RESTARTS = 3  # a launcher that dies more often than this has a reason that a restart does not cure


class LauncherProcess:
    """`ambs launch` as a child in a process group of its own, so that Ctrl-C reaches it only through us.

    It holds the reading end of a pipe of ours: when we are killed, the pipe is closed and the launcher stops.
    """

    def __init__(self, arguments: Sequence[str], database: str, log_file: Path) -> None:
        self._arguments, self._database, self._log_file = arguments, database, log_file
        self._restarts, self._lifeline = 0, -1
        self._child = self._start()

    @property
    def exit_status(self) -> int | None:
        """The exit status; None while it runs."""
        return self._child.poll()

    def drain(self) -> None:
        """Let it start nothing more; running evaluations may end."""
        self._send(signal.SIGINT)

    def stop(self) -> None:
        """Let it end what runs and return it to the queue."""
        self._send(signal.SIGTERM)

    def revive(self) -> bool:
        """Start it again after it was killed; False when it ended by itself or was killed too often."""
        status = self.exit_status
        if status is None:
            return True
        if status >= 0 or self._restarts >= RESTARTS:
            return False
        self._restarts += 1
        self.let_go()
        logger.warning("launcher was killed by signal %d, starting another one", -status)
        self._child = self._start()
        return True

    def wait(self, timeout_seconds: float) -> bool:
        """Whether it has ended within the time."""
        try:
            self._child.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def let_go(self) -> None:
        """Close our end of the pipe, as our own end would: a launcher that still runs stops by itself."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def last_lines(self, count: int = 15) -> str:
        """The end of its log, for a message."""
        try:
            return "\n".join(self._log_file.read_text(errors="replace").splitlines()[-count:])
        except FileNotFoundError:
            return ""

    def _start(self) -> subprocess.Popen[bytes]:
        reading, writing = os.pipe()
        try:
            self._log_file.parent.mkdir(parents=True, exist_ok=True)
            with self._log_file.open("ab") as log:
                child = self._opened(reading, log)
        except BaseException:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        self._lifeline = writing  # closed by the kernel when we die, however we die
        return child

    def _opened(self, lifeline: int, log: BinaryIO) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "ambs_hpc.cli.main", "launch", "--parent-pipe", str(lifeline)]
        return subprocess.Popen(
            [*command, *self._arguments],
            # The URL may hold a password: never on a command line.
            env={**os.environ, "AMBS_DB": self._database, "AMBS_LOG": os.environ.get("AMBS_LOG", "INFO")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[lifeline],
            start_new_session=True,
        )

    def _send(self, number: signal.Signals) -> None:
        if self.exit_status is None:
            self._child.send_signal(number)
