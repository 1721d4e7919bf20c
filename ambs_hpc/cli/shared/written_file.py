"""A file that a person has asked for, and what is said where it cannot be written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def writing(file: Path, option: str = "--output") -> Iterator[None]:
    """The block writes `file`, a file or a folder.

    Args:
        option: with which another one is given.

    Raises:
        UsageError: it cannot be written: no such folder, no right to it, a full disk.
    """
    from ambs_hpc.errors import UsageError

    try:
        yield
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise UsageError(f"{file} cannot be written: {why}. Give another {option}.") from error
