"""Files that are replaced as a whole: whoever opens one sees the old or the new one; none is a database."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from ambs_hpc.errors import UsageError

SQLITE_BEGINNING = b"SQLite format 3\0"


def write_whole(file: Path, content: str) -> None:
    """Replace the file by the content, or leave it as it was.

    Raises:
        UsageError: the folder cannot be written, or `file` is a folder or a database.
    """
    check_no_database(file)
    if not file.name:
        raise UsageError(f"{file} cannot be written: it is a folder. Give another --output.")
    beside = file.with_name(f".{file.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        try:
            with beside.open("x", encoding="utf-8", newline="\n") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            beside.replace(file)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(
            f"{file} cannot be written: {error.strerror or error}. Give another --output."
        ) from error


def check_no_database(file: Path, option: str = "--output") -> None:
    """Refuse to write over an SQLite database: it may hold the only copy of all results.

    Args:
        option: with which another file is given.

    Raises:
        UsageError: `file` is one.
    """
    try:
        if not file.is_file():
            return
        with file.open("rb") as there:
            beginning = there.read(len(SQLITE_BEGINNING))
    except OSError:
        return  # writing tells why
    if beginning == SQLITE_BEGINNING:
        raise UsageError(f"{file} is a database, and is not written over. Give another {option}.")
