"""What running evaluations of a pool report: a file for each node, added to by its workers, read by us.

Lines may be lost on file systems that show files late or cut them: when an attempt has ended, its own files
are read once more.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from ambs_hpc.launcher.supervisor.messages import Reported, decoded, encoded

FOLDER = "reports"
MOST_BYTES = 64 << 20  # of a node's file; what is reported later comes at the ends of attempts
READ_BYTES = 1 << 20  # of a file, at one look


def tell_reported(pool: Path, node: str, told: Reported) -> None:
    """Add what an attempt on this node reports; nothing is added where that fails, or the file is full."""
    name = f"{hashlib.sha256(node.encode()).hexdigest()[:16]}.jsonl"
    with contextlib.suppress(OSError):
        (pool / FOLDER).mkdir(exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(pool / FOLDER / name, flags, 0o600)
        try:
            if os.fstat(descriptor).st_size < MOST_BYTES:
                os.write(descriptor, encoded(told) + b"\n")
        finally:
            os.close(descriptor)


class PoolReports:
    """Reads the files of all nodes as they grow."""

    def __init__(self, pool: Path, take: Callable[[Reported], None]) -> None:
        """
        Args:
            pool: its folder.
            take: takes what is new.
        """
        self._folder, self._take = pool / FOLDER, take
        self._read_bytes: dict[str, int] = {}  # of each file

    def look(self) -> None:
        """Take what is new."""
        with contextlib.suppress(OSError):
            for file in sorted(self._folder.glob("*.jsonl")):
                for line in self._added(file).splitlines():
                    self._hear(line)

    def _added(self, file: Path) -> bytes:
        """Whole lines."""
        before = self._read_bytes.get(file.name, 0)
        if file.stat().st_size <= before:
            return b""
        with file.open("rb") as lines:
            lines.seek(before)
            added = lines.read(READ_BYTES)
        whole, end, _ = added.rpartition(b"\n")
        is_endless = len(added) == READ_BYTES and not end  # no line of ours
        self._read_bytes[file.name] = before + (len(added) if is_endless else len(whole) + len(end))
        return whole

    def _hear(self, line: bytes) -> None:
        with contextlib.suppress(ValueError, RecursionError):
            message = decoded(line)
            if isinstance(message, Reported):
                self._take(message)
