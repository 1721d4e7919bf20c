"""Puts stand-ins for the programs that start containers on a PATH, and reads what they were asked."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

STAND_IN = Path(__file__).with_name("stand_in.py")


@dataclass(frozen=True)
class StandIns:
    """A folder with stand-ins, and beside it an image."""

    folder: Path

    @property
    def path(self) -> str:
        """A PATH on which they are found first."""
        return f"{self.folder}:{os.environ['PATH']}"

    @property
    def image(self) -> str:
        return str(self.folder / "image")

    @property
    def calls(self) -> list[list[str]]:
        """The command lines so far, each with the name by which it was called."""
        file = self.folder / "calls.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def stand_ins(folder: Path, *names: str) -> StandIns:
    """Make stand-ins under these names in a new folder."""
    folder.mkdir()
    (folder / "image").mkdir()
    shutil.copy(STAND_IN, folder / "stand_in.py")
    for name in names:
        program = folder / name
        words = shlex.join([sys.executable, "-I", str(folder / "stand_in.py"), name])
        program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        program.chmod(0o755)
    return StandIns(folder)
