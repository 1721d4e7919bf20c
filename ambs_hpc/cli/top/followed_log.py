"""The end of a file that a program writes to, read piece by piece and made harmless."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ambs_hpc.cli.shared.terminal import HarmlessOutput

FIRST_BYTES, PIECE_BYTES = 64 << 10, 256 << 10


class FollowedLog:
    """A log from its last `FIRST_BYTES` on; each call of `more` gives what has come since."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._position: int | None = None
        self._shown = HarmlessOutput(colours=False)

    def more(self) -> str:
        """What was written since, at most `PIECE_BYTES` at once; "" for nothing.

        A file that became shorter is read anew. A sentence stands for what cannot be read.
        """
        try:
            # A named pipe in its place would be waited for.
            descriptor = os.open(self.file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"({self.file}: {error.strerror})\n" if self._is_first() else ""
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                return f"({self.file} is no regular file)\n" if self._is_first() else ""
            if self._position is None or found.st_size < self._position:
                self._position = max(0, found.st_size - FIRST_BYTES)
            piece = os.pread(descriptor, PIECE_BYTES, self._position)
        finally:
            os.close(descriptor)
        self._position += len(piece)
        return self._shown.feed(piece) if piece else ""

    def _is_first(self) -> bool:
        is_first, self._position = self._position is None, self._position or 0
        return is_first
