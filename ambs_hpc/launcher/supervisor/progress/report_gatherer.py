"""Gathers what running attempts report, in a thread: a file system that hangs keeps no limit waiting."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence

from ambs_hpc.launcher.supervisor.messages import Reported, StartRequest
from ambs_hpc.launcher.supervisor.progress.report_lines import AttemptFiles, ReportRow

LOOK_SECONDS = 1.0  # between two looks at an attempt's files
SPELL_SECONDS = 0.05  # of looks at one go; who is left comes first in the next
MOST_MESSAGES = 200  # that wait to be sent, before nothing more is read: it lies in the files
MESSAGE_BYTES = 1 << 15  # of reports in one message
LOCK_SECONDS = 1.0  # that others wait for a look to end


class ReportGatherer:
    """The attempts that run and their files; `fileno` is readable when there is something to `take`.

    At most a twentieth of a processor's time goes into it, however many attempts there are and whatever they
    write.
    """

    def __init__(self) -> None:
        self._files: dict[tuple[int, int], tuple[StartRequest, AttemptFiles]] = {}
        self._turns: deque[tuple[int, int]] = deque()  # whose files are looked at next
        self._told: set[tuple[int, int]] = set()  # whose trouble has been told
        self._found: deque[Reported] = deque()
        self._lock = threading.Lock()  # of all the above, held during one attempt's look at most
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._thread: threading.Thread | None = None

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._reader

    def begin(self, request: StartRequest) -> None:
        """The attempt has begun."""
        key = (request.id, request.attempt)
        self._files[key] = request, AttemptFiles(request.folder)
        self._turns.append(key)
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, daemon=True)
            self._thread.start()

    def take(self) -> list[Reported]:
        """What has been found since the last call."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reader, 4096):
                pass
        return [self._found.popleft() for _ in range(len(self._found))]

    def end(self, request: StartRequest) -> list[Reported]:
        """What was found, and what else the attempt has left, now that it has ended.

        Nothing is read where the thread hangs in the attempt's files: then they are not read again either.
        """
        if not self._lock.acquire(timeout=LOCK_SECONDS):
            return self.take()
        try:
            found = self._files.pop((request.id, request.attempt), None)
            messages = self.take()
            if found is not None:
                for rows in found[1].rest():
                    messages += self._messages(*found, rows)
            self._told.discard((request.id, request.attempt))
            return messages
        finally:
            self._lock.release()

    @contextlib.contextmanager
    def at_rest(self) -> Iterator[None]:
        """The thread holds no lock of the interpreter's libraries: we may fork."""
        is_held = self._lock.acquire(timeout=LOCK_SECONDS)
        try:
            yield
        finally:
            if is_held:
                self._lock.release()

    def _serve(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are the main thread's
        while True:
            time.sleep(LOOK_SECONDS)
            until = time.monotonic() + SPELL_SECONDS
            for _ in range(len(self._turns)):
                if time.monotonic() > until or len(self._found) > MOST_MESSAGES:
                    break
                with self._lock:
                    self._look()

    def _look(self) -> None:
        """Look at the files of the attempt whose turn it is."""
        try:
            key = self._turns.popleft()
        except IndexError:
            return
        found = self._files.get(key)
        if found is None:
            return  # it has ended
        self._turns.append(key)
        messages = self._messages(*found, found[1].further())
        if messages:
            self._found.extend(messages)
            with contextlib.suppress(BlockingIOError):
                os.write(self._writer, b"x")

    def _messages(
        self, request: StartRequest, files: AttemptFiles, rows: Sequence[ReportRow]
    ) -> list[Reported]:
        """The rows in messages of a bounded length, with what is wrong in the files, told once."""
        key, trouble = (request.id, request.attempt), ""
        if files.trouble and key not in self._told:
            self._told.add(key)
            trouble = files.trouble
        made = []
        begin = length = 0
        for index, row in enumerate(rows):
            length += len(json.dumps(row.values()))
            if length > MESSAGE_BYTES:
                made.append(_message(request, rows[begin : index + 1]))
                begin, length = index + 1, 0
        if begin < len(rows) or trouble:
            made.append(_message(request, rows[begin:], trouble))
        return made


def _message(request: StartRequest, rows: Sequence[ReportRow], trouble: str = "") -> Reported:
    reports = [row.values() for row in rows]
    return Reported(request.id, request.attempt, request.token, reports, trouble)
