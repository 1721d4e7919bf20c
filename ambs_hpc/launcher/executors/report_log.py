"""What evaluations reported, until the database has it.

The files in the attempts' folders hold all of it: what is too much to keep here is read from there when its
attempt has ended, and a launcher that dies loses nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ambs_hpc.launcher.supervisor.messages import Reported, StartRequest
from ambs_hpc.launcher.supervisor.progress.report_lines import AttemptFiles, ReportRow
from ambs_hpc.queue import NewReport, add_reports

if TYPE_CHECKING:
    from sqlalchemy import Connection

logger = logging.getLogger(__name__)

MOST_HELD = 50_000  # reports, while the database is away
MOST_AT_ONCE = 10_000  # in one transaction
READ_SECONDS = 1.0  # for files of ended attempts, before an exchange
FILE_SECONDS = 2.0  # for one of them
LAST_SECONDS = 3.0  # for the same at the launcher's end


@dataclass(frozen=True, slots=True)
class _EndedAttempt:
    """An attempt whose files are to be read."""

    id: int
    attempt: int
    token: str
    folder: str


class ReportLog:
    """Collects reports; the launcher's loop and the thread that talks to the database both use it."""

    def __init__(self) -> None:
        self._held: list[NewReport] = []
        self._behind: set[tuple[int, int, str]] = set()  # attempts of which something was not kept
        self._unread: list[_EndedAttempt] = []
        self._reads_all = False
        self._lock = threading.Lock()

    def note(self, told: Reported) -> None:
        """An attempt has reported; what is not of the form of a report is left out."""
        if not _is_sound(told):
            return
        if told.trouble:
            logger.warning("reports left out id=%s attempt=%s: %s", told.id, told.attempt, told.trouble)
        rows = [row for row in map(ReportRow.of, told.reports) if row is not None]
        with self._lock:
            if len(self._held) + len(rows) > MOST_HELD:
                self._behind.add((told.id, told.attempt, told.token))
            else:
                self._held += _new(told.id, told.attempt, told.token, rows)

    def note_end(self, request: StartRequest, *, has_told_all: bool) -> None:
        """An attempt has ended.

        Args:
            has_told_all: its supervisor has told all that it left; otherwise its files are read.
        """
        key = (request.id, request.attempt, request.token)
        with self._lock:
            if not has_told_all or self._reads_all or key in self._behind:
                self._behind.discard(key)
                self._unread.append(_EndedAttempt(*key, request.folder))

    def note_older_database(self) -> None:
        """What was stored may be gone: the files of all attempts are read at their ends from now on."""
        self._reads_all = True

    def due(self, seconds: float = READ_SECONDS) -> Sequence[NewReport]:
        """The reports that are to be stored now, with those read from files within so many seconds.

        To be called outside of any transaction.
        """
        until = time.monotonic() + seconds
        while self._unread and time.monotonic() < until and len(self._held) < MOST_AT_ONCE:
            one = self._unread[0]
            found = reports_on_disk(one.id, one.attempt, one.token, one.folder)
            with self._lock:
                self._unread.pop(0)
                self._held += found
        with self._lock:
            return self._held[:MOST_AT_ONCE]

    def store(self, connection: Connection, reports: Sequence[NewReport], ending: Sequence[int] = ()) -> None:
        """Store reports, as `add_reports`; once it has committed, `forget` them."""
        add_reports(connection, reports, ending)

    def forget(self, stored: Sequence[NewReport]) -> None:
        """The database has these, which `due` said last."""
        with self._lock:
            del self._held[: len(stored)]


def reports_on_disk(evaluation_id: int, attempt: int, token: str, folder: str) -> list[NewReport]:
    """What an ended attempt has reported, by its files; some of it may be stored already."""
    files = AttemptFiles(folder)
    found = [each for rows in files.rest(FILE_SECONDS) for each in _new(evaluation_id, attempt, token, rows)]
    if files.trouble:
        logger.warning("reports left out id=%d attempt=%d: %s", evaluation_id, attempt, files.trouble)
    return found


def _is_sound(told: Reported) -> bool:
    """Whether every field has its type and range: it may have come over a file."""
    return (
        type(told.id) is int
        and 0 < told.id < 2**63
        and type(told.attempt) is int
        and 0 < told.attempt < 2**31
        and isinstance(told.token, str)
        and told.token.isprintable()
        and isinstance(told.reports, list)
        and isinstance(told.trouble, str)
    )


def _new(evaluation_id: int, attempt: int, token: str, rows: Iterable[ReportRow]) -> list[NewReport]:
    return [
        NewReport(evaluation_id, attempt, token, row.step, row.objective, row.at, row.metrics, row.thinned)
        for row in rows
    ]
