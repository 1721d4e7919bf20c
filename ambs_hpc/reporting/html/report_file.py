"""The report's file, which is replaced as a whole: whoever opens it sees the old one or the new one."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from ambs_hpc.errors import UsageError

SQLITE_BEGINNING = b"SQLite format 3\0"
MOST_LETTERS = 60  # of a file's name, each up to four bytes


def default_name(campaign: str) -> str:
    """The name of a campaign's report: a file of this folder, whatever signs the campaign's name has."""
    kept = re.sub(r"[^\w.+=@-]+", "-", campaign).strip("-.")
    return f"{kept[:MOST_LETTERS] or 'campaign'}.html"


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
