"""Which objectives this user has registered: a launcher runs no others, whatever a database says."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from ambs_hpc.errors import ObjectiveNotAllowed
from ambs_hpc.problem.objective import objective_digest


def allow_list_file() -> Path:
    """`objectives.allowed` in $AMBS_CONFIG_DIR, else under $XDG_CONFIG_HOME, else under ~/.config."""
    own = os.environ.get("AMBS_CONFIG_DIR")
    if own:
        return Path(own) / "objectives.allowed"
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "ambs_hpc" / "objectives.allowed"


def allow(objective: Mapping[str, object], directory: str) -> None:
    """Let this user's launchers run the objective; a second time changes nothing."""
    if is_allowed(objective, directory):
        return
    file = allow_list_file()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    line = f"{objective_digest(objective, directory)} {directory} {json.dumps(dict(objective))}\n"
    # One short O_APPEND write: two commands at once lose no line.
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_allowed(objective: Mapping[str, object], directory: str) -> bool:
    """Whether this user has registered the objective from this folder.

    Raises:
        ObjectiveNotAllowed: the file can be written by others, so it proves nothing.
    """
    file = allow_list_file()
    try:
        status = file.stat()
        digests = {line.partition(" ")[0] for line in file.read_text().splitlines()}
    except FileNotFoundError:
        return False
    if status.st_uid != os.getuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ObjectiveNotAllowed(
            f"{file} can be written by others. Own it and `chmod 600` it, then try again."
        )
    return objective_digest(objective, directory) in digests
