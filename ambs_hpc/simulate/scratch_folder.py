"""A folder in memory for the files and the allow-list of a simulation."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")
CONFIG_VARIABLE = "AMBS_CONFIG_DIR"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder in memory where there is one, which also holds the allow-list: the user's stays untouched."""
    before = os.environ.get(CONFIG_VARIABLE)
    with tempfile.TemporaryDirectory(
        prefix="ambs-simulate-", dir=MEMORY if MEMORY.is_dir() else None
    ) as name:
        os.environ[CONFIG_VARIABLE] = name
        try:
            yield Path(name)
        finally:
            if before is None:
                del os.environ[CONFIG_VARIABLE]
            else:
                os.environ[CONFIG_VARIABLE] = before
