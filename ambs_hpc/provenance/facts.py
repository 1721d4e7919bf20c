"""What a process can find out about the sources and programs with which it runs, within limits."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import stat
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ambs_hpc.provenance.git_state import git_state

GIT_SECONDS, FILES_SECONDS = 10.0, 10.0
MOST_FILES, MOST_FILE_BYTES, MOST_PACKAGES, MOST_MODULES = 200, 1 << 20, 3000, 300
_INSTALLED = re.compile(r"([A-Za-z0-9._]+)-([^-]+)(?:-py[0-9.]+)?\.(?:dist-info|egg-info)")


def provenance_facts(
    folder: Path, environment: Mapping[str, str], path: Sequence[str] | None = None
) -> dict[str, object]:
    """The state of the problem's folder and of this Python, as JSON values.

    No value of an environment variable is in it but the names of loaded modules, no content of a file, and
    nothing of the host, so that processes on many hosts find the same.

    Args:
        folder: of the problem file.
        environment: of this process.
        path: folders of installed packages; None takes Python's own.

    Returns:
        `git` as `git_state` has it; `files`: digests of the folder's own Python files, the problem file among
        them; `modules`: those loaded by the module system, in order; `python`, `executable`, `machine`,
        `ambs_hpc`, and `packages` with their versions.
    """
    packages = installed_packages(sys.path if path is None else path)
    loaded = [one for one in environment.get("LOADEDMODULES", "").split(":") if one]
    return {
        "git": git_state(folder, GIT_SECONDS, environment),
        "files": source_digests(folder, FILES_SECONDS),
        "modules": loaded[:MOST_MODULES],
        "python": platform.python_version(),
        "executable": sys.executable,
        "machine": platform.machine(),
        "ambs_hpc": packages.get("ambs-hpc", "not installed"),
        "packages": packages,
    }


def source_digests(folder: Path, seconds: float) -> dict[str, str]:
    """Digests of the Python files that lie in the folder itself, by their names.

    Of a file that is too large there is its size, and of one that cannot be read there is why; the rest is
    left out when the time is over.
    """
    until = time.monotonic() + seconds
    found: dict[str, str] = {}
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name.endswith(".py"))
    except OSError as error:
        return {".": f"cannot be read: {error.strerror}"}
    for name in names[:MOST_FILES]:
        if time.monotonic() > until:
            break
        found[_printable(name)] = _digest(folder / name)
    return found


def installed_packages(path: Iterable[str]) -> dict[str, str]:
    """Installed packages and their versions, from the names of folders alone: no file of them is read."""
    found: dict[str, str] = {}
    for place in path:
        try:
            names = sorted(entry.name for entry in os.scandir(place or "."))
        except OSError:  # a zip file, or a folder that is not there
            continue
        for name in names:
            matched = _INSTALLED.fullmatch(name)
            if matched and len(found) < MOST_PACKAGES:
                found.setdefault(matched[1].replace("_", "-").lower(), matched[2])
    return dict(sorted(found.items()))


def _digest(file: Path) -> str:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)  # a named pipe would be waited for
        with open(descriptor, "rb") as opened:  # noqa: PTH123 (a descriptor)
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return "no regular file"
            if status.st_size > MOST_FILE_BYTES:
                return f"{status.st_size} bytes"
            return hashlib.sha256(opened.read(MOST_FILE_BYTES)).hexdigest()[:16]
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _printable(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()
