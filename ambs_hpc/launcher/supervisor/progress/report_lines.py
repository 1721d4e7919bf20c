"""Reads the reports that an attempt has left in its files: whole lines, bounded, by a strict schema.

What an evaluation leaves is hostile until it is proved harmless. What follows depends on the files alone, so
that a launcher that reads them again after the death of another one finds the same reports.
"""

from __future__ import annotations

import json
import math
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

REPORTS = ".ambs-reports.jsonl"  # no program's own name
MARK = b"AMBS-REPORT:"
LARGEST_STEP = 2**53
MOST_THINNED = 2**31 - 1  # what the database's column holds
LATEST = 1e11  # a time that databases can show, seconds since 1970
LONGEST_LINE = 4096  # bytes
MOST_METRICS = 50
LONGEST_NAME, LONGEST_TEXT = 100, 200  # characters
CHUNK_BYTES = 1 << 18
# So many reports of an attempt are kept, then so many of every second, of every fourth, and so on.
KEPT_OF_EACH_STRIDE = 500
# So much of each file of an ended attempt is read at most, by a supervisor that has others to look after.
REST_SECONDS, MOST_BYTES = 0.3, 256 << 20
ACCEPTED = f'{{"step": a whole number from 0 to 2**53, "objective": a finite number}} in {LONGEST_LINE} bytes'


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A report of an attempt.

    Args:
        step: in [0, LARGEST_STEP].
        objective: finite.
        metrics: finite numbers, truth values and short texts.
        at: when it was read, or written last before that, seconds since 1970 UTC.
        thinned: reports since the one before that are not kept.
    """

    step: int
    objective: float
    metrics: dict[str, Any]
    at: float
    thinned: int = 0

    def values(self) -> list[Any]:
        """As a message carries it."""
        return [self.step, self.objective, self.metrics, self.at, self.thinned]

    @classmethod
    def of(cls, values: object) -> ReportRow | None:
        """The inverse of `values`; None for anything else."""
        if not isinstance(values, list) or len(values) != 5:
            return None
        step, objective, metrics, at, thinned = values
        said = {**metrics, "step": step, "objective": objective} if isinstance(metrics, dict) else None
        found = parse(said)
        is_sound = type(at) is float and 0.0 <= at <= LATEST and type(thinned) is int
        if isinstance(found, str) or not is_sound or not 0 <= thinned <= MOST_THINNED:
            return None
        return cls(*found, at, thinned)


def parse(said: object) -> tuple[int, float, dict[str, Any]] | str:
    """(step, objective, metrics) of a report, or why it is none, in words.

    What is wrong with a metric costs that metric, never the report.
    """
    if not isinstance(said, dict):
        return "no JSON object"
    step, objective = said.get("step"), said.get("objective")
    if isinstance(step, float) and step.is_integer():
        step = int(step)
    if type(step) is not int or not 0 <= step <= LARGEST_STEP:
        return f"step is {step!r:.40}"
    number = _finite(objective)
    if number is None:
        return f"objective is {objective!r:.40}"
    metrics = {name: value for name, value in said.items() if _is_metric(name, value)}
    return step, number, dict(list(metrics.items())[:MOST_METRICS])


class LineTail:
    """The reports in one file, from where the last look ended."""

    def __init__(self, file: str, mark: bytes = b"") -> None:
        """`mark`: begins the lines that are reports; the others are somebody else's."""
        self._file, self._mark = file, mark
        self._offset = self._inode = 0
        self._is_within_long_line = False
        self._kept = 0  # of all reports
        self._skipped: ReportRow | None = None  # the last that was not kept, with how many there were
        self.trouble = ""  # why the first line that is none is none

    def further(self, *, is_final: bool = False) -> list[ReportRow]:
        """What has been added, CHUNK_BYTES of it at most.

        Args:
            is_final: nothing is written any more: a line without an end counts, and so does the last report.
        """
        chunk, at, is_last = self._chunk()
        rows = [kept for line in self._lines(chunk, is_final and is_last) for kept in self._row(line, at)]
        if is_final and is_last and self._skipped is not None:
            last, self._skipped = self._skipped, None
            rows.append(ReportRow(last.step, last.objective, last.metrics, last.at, last.thinned - 1))
        return rows

    def rest(self, seconds: float) -> Iterator[list[ReportRow]]:
        """All that is left, a chunk at a time, MOST_BYTES at most and for so many seconds."""
        until, first = time.monotonic() + seconds, self._offset
        while True:
            before = self._offset
            yield self.further(is_final=True)
            if self._offset == before:
                return
            if time.monotonic() > until or self._offset - first > MOST_BYTES:
                self.trouble = self.trouble or f"the end of {self._file} was not read: it is too long"
                return

    def _chunk(self) -> tuple[bytes, float, bool]:
        """(bytes, when the file was written, whether they are its last); b"" where it is no regular file."""
        try:
            status = os.lstat(self._file)
            if not stat.S_ISREG(status.st_mode):
                return b"", 0.0, True
            if status.st_ino != self._inode or status.st_size < self._offset:  # another file, or cut off
                self._inode, self._offset = status.st_ino, 0
            if status.st_size == self._offset:
                return b"", status.st_mtime, True
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self._file, flags)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return b"", 0.0, True
                chunk = os.pread(descriptor, CHUNK_BYTES, self._offset)
            finally:
                os.close(descriptor)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                self.trouble = self.trouble or str(error)
            return b"", 0.0, True
        # Whoever wrote the file may have set its time to anything.
        return chunk, min(max(0.0, status.st_mtime), time.time()), len(chunk) < CHUNK_BYTES

    def _lines(self, chunk: bytes, is_all: bool) -> list[bytes]:
        """The whole lines of the chunk; the next look begins behind them."""
        whole, end, rest = (chunk, b"", b"") if is_all else chunk.rpartition(b"\n")
        has_long = len(rest) > LONGEST_LINE  # no line of ours, and nobody waits for its end
        if has_long:
            if rest.startswith(self._mark):
                self.trouble = (
                    self.trouble or f"{rest[:80]!r} is no report: it is longer than {LONGEST_LINE} bytes"
                )
            rest = b""
        self._offset += len(chunk) - len(rest)
        if self._is_within_long_line:
            _, found, whole = whole.partition(b"\n")
            if not (found or end or is_all):
                return []
        self._is_within_long_line = has_long
        if self._mark:
            if self._mark not in whole:
                return []
            marked = (line for line in whole.split(b"\n") if line.startswith(self._mark))
            return [line[len(self._mark) :] for line in marked]
        return [line for line in whole.split(b"\n") if line.strip()]

    def _row(self, line: bytes, at: float) -> list[ReportRow]:
        """The report, where it is one and is kept."""
        found = _parsed(line)
        if isinstance(found, str):
            self.trouble = self.trouble or f"{line[:80]!r} is no report: {found}; accepted is {ACCEPTED}"
            return []
        skipped = 0 if self._skipped is None else self._skipped.thinned
        if skipped + 1 < 1 << (self._kept // KEPT_OF_EACH_STRIDE):
            self._skipped = ReportRow(*found, at, skipped + 1)
            return []
        self._kept, self._skipped = self._kept + 1, None
        return [ReportRow(*found, at, skipped)]


class AttemptFiles:
    """The files in which an attempt tells of itself: the one that $AMBS_REPORTS names, and its stdout."""

    def __init__(self, folder: str) -> None:
        self._tails = (LineTail(f"{folder}/{REPORTS}"), LineTail(f"{folder}/stdout", MARK))

    def further(self) -> list[ReportRow]:
        """What has been added since the last call, as much as one look reads."""
        return [row for tail in self._tails for row in tail.further()]

    def rest(self, seconds: float = REST_SECONDS) -> Iterator[list[ReportRow]]:
        """What is left when the attempt has ended, a chunk at a time; so many seconds for each file."""
        for tail in self._tails:
            yield from tail.rest(seconds)

    @property
    def trouble(self) -> str:
        """Why the first line that should be a report is none; "" where all are."""
        return next((tail.trouble for tail in self._tails if tail.trouble), "")


def _parsed(line: bytes) -> tuple[int, float, dict[str, Any]] | str:
    if len(line) > LONGEST_LINE:
        return f"it has {len(line)} bytes"
    try:
        return parse(json.loads(line))
    except (ValueError, RecursionError):
        return "no JSON"


def _finite(value: object) -> float | None:
    if type(value) not in (int, float):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]  # a number by now
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _is_metric(name: object, value: object) -> bool:
    if not isinstance(name, str) or name in ("step", "objective") or len(name) > LONGEST_NAME:
        return False
    if isinstance(value, str):
        return len(value) <= LONGEST_TEXT
    return isinstance(value, bool) or _finite(value) is not None
