"""What a file of a person may close or end while it is executed here, without taking the command with it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class KeptOpen:
    """A stream that is another one in all, but leaves that open when it is closed itself."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream or io.StringIO()  # a process may have none

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def close(self) -> None:
        """Write what is still to be written."""
        self._stream.flush()


@contextmanager
def exits_told() -> Iterator[None]:
    """Within, `os._exit` of this process raises SystemExit: it would end a command without a word."""
    end, ours = os._exit, os.getpid()

    def tell(status: int) -> None:
        if os.getpid() != ours:  # a child of a fork
            end(status)
        raise SystemExit(status)

    os._exit = tell  # type: ignore[assignment]  # it returns as little as the original
    try:
        yield
    finally:
        os._exit = end
