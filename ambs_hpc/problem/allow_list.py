"""What this user has registered: launchers run nothing else and write nowhere else, whatever a row says."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path, PurePath

from ambs_hpc.errors import ObjectiveNotAllowed
from ambs_hpc.identity import home_folder
from ambs_hpc.problem.objective import objective_digest


def allow_list_file() -> Path:
    """The file `objectives.allowed` in $AMBS_CONFIG_DIR, or under $XDG_CONFIG_HOME, or under ~/.config.

    Raises:
        UsageError: none of these is known.
    """
    own = os.environ.get("AMBS_CONFIG_DIR")
    if own:
        return Path(own) / "objectives.allowed"
    base = os.environ.get("XDG_CONFIG_HOME") or home_folder() / ".config"
    return Path(base) / "ambs_hpc" / "objectives.allowed"


def allow(objective: Mapping[str, object], directory: str) -> None:
    """Register the objective for this user's launchers; a second call changes nothing."""
    if not is_allowed(objective, directory):
        _register(f"{objective_digest(objective, directory)} {directory} {json.dumps(dict(objective))}")


def allow_runs(run_root: str) -> None:
    """Register a folder under which this user's launchers may make run directories."""
    if not is_run_directory_allowed(run_root):
        _register(f"{_runs_digest(run_root)} runs {run_root}")


def is_allowed(objective: Mapping[str, object], directory: str) -> bool:
    """Whether this user has registered the objective from this folder.

    Raises:
        ObjectiveNotAllowed: other users can write the file, so it is no evidence.
    """
    return objective_digest(objective, directory) in _registered()


def is_run_directory_allowed(run_directory: str) -> bool:
    """Whether the folder, or one above it, is registered for run directories.

    Raises:
        ObjectiveNotAllowed: other users can write the file, so it is no evidence.
    """
    known, path = _registered(), PurePath(run_directory)
    return ".." not in path.parts and any(_runs_digest(str(one)) in known for one in (path, *path.parents))


def _runs_digest(run_root: str) -> str:
    return hashlib.sha256(b"runs " + os.fsencode(run_root)).hexdigest()


def _registered() -> set[str]:
    file = allow_list_file()
    try:
        status = file.stat()
        digests = {line.partition(" ")[0] for line in file.read_text().splitlines()}
    except FileNotFoundError:
        return set()
    if status.st_uid != os.getuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ObjectiveNotAllowed(
            f"{file} can be written by others. Own it and `chmod 600` it, then try again."
        )
    return digests


def _register(line: str) -> None:
    file = allow_list_file()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # One short O_APPEND write: two commands at once lose no line.
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{line}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
