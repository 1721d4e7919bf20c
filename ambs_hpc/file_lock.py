"""A file by whose lock one program keeps others from the same work."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from ambs_hpc.errors import AmbsError


@contextlib.contextmanager
def file_lock(file: Path, busy: AmbsError) -> Iterator[str]:
    """Hold the lock of a file, which is made where it is missing; the kernel frees it when the program dies.

    Args:
        busy: raised when another program holds it.

    Yields:
        Why there is no lock, in the system's words: Lustre may be mounted without. Empty where there is one.
    """
    with file.open("w") as opened:
        missing = ""
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise busy from None
        except OSError as error:
            missing = error.strerror or str(error)
        yield missing
