"""Run `ambs` as its user does, in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Shell:
    """A folder, a database and a private allow-list."""

    folder: Path
    database: str

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AMBS_")}
        return {**kept, "AMBS_DB": self.database, "AMBS_CONFIG_DIR": str(self.folder / "config")}

    @property
    def prefix(self) -> list[str]:
        """Put before every command, to run it elsewhere."""
        return []

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """`ambs arguments`, not waited for."""
        return subprocess.Popen(
            [*self.prefix, sys.executable, "-m", "ambs_hpc.cli.main", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ambs(self, *arguments: str, status: int = 0, timeout_seconds: float = 90) -> str:
        """What `ambs arguments` prints on stdout; it must end with `status`."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=timeout_seconds)
        assert process.returncode == status, f"ambs {' '.join(arguments)}: {process.returncode}\n{out}\n{err}"
        return out

    def rejected(self, *arguments: str, status: int = 1) -> str:
        """What `ambs arguments` says on stderr when it refuses."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=60)
        assert process.returncode == status, f"ambs {' '.join(arguments)}: {process.returncode}\n{out}\n{err}"
        assert "Traceback" not in err
        return err

    def rows(self, query: str) -> list[dict[str, object]]:
        """The rows of a read-only query."""
        found: list[dict[str, object]] = json.loads(self.ambs("sql", query, "--json"))
        return found

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)
