"""Which file a campaign's problem is in: rows name its folder only."""

from __future__ import annotations

import re
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from ambs_hpc.errors import AmbsError
from ambs_hpc.insight.waiting_reasons import NO_FILE
from ambs_hpc.sites import load_site, read_folder

if TYPE_CHECKING:
    from ambs_hpc.records import Campaign

MOST_FILES, READ_BYTES = 100, 100_000
_MAKES_ONE = re.compile(r"^problem\b[^=\n]*=", re.MULTILINE)


def problem_file_of(one: Campaign) -> str:
    """The problem file, quoted for a shell, from the current folder where it is below; NO_FILE if unclear.

    No file is executed: of those beside the campaign that make a `problem`, it is the only one, or the only
    one with the campaign's name in quotes.
    """
    folder = Path(one.definition.directory)
    try:
        files = sorted(folder.glob("*.py"))[:MOST_FILES]
        texts = {file: _beginning(file) for file in files}
    except OSError:
        return NO_FILE
    found = [file for file, text in texts.items() if _MAKES_ONE.search(text)]
    if len(found) > 1:
        named = re.compile(f"[\"']{re.escape(one.name)}[\"']")
        found = [file for file in found if named.search(texts[file])]
    if len(found) != 1:
        return NO_FILE
    (file,) = found
    return quote(str(file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file))


def allow_command(one: Campaign) -> str:
    """The command that registers the objective, and the folder of runs where that is not the usual one."""
    runs = Path(one.definition.run_directory)
    usual = Path.cwd() / "ambs-runs"
    return f"ambs allow {problem_file_of(one)}" + (
        "" if usual in runs.parents else f" --runs {quote(str(runs))}"
    )


def can_submit(folder: Path) -> bool:
    """Whether `ambs.yml` of the folder names a site, so that `ambs submit` has somebody to ask."""
    try:
        name = read_folder(folder).site
        return bool(name) and load_site(name, folder).scheduler != "local"
    except AmbsError:
        return False


def _beginning(file: Path) -> str:
    with file.open("rb") as opened:
        return opened.read(READ_BYTES).decode(errors="replace")
