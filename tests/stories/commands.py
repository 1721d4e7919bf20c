"""Run `ambs` as its user does, in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.databases import wait_until

# A search gives way on a login node: beside other tests, and a question asked without a pause, it starves.
PROPOSES_WITHIN_SECONDS, ASK_EVERY_SECONDS = 90, 0.5


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

    def wait_for_proposals(self, search: subprocess.Popen[str]) -> None:
        """Return once evaluations wait for a launcher; fail at once with what `search` said when it ended."""

        def proposed() -> bool:
            ended = search.poll() is not None
            if self.has_ready():
                return True
            assert not ended, f"the search proposed nothing\n{''.join(map(str, search.communicate()))}"
            return False

        wait_until(proposed, PROPOSES_WITHIN_SECONDS, ASK_EVERY_SECONDS)

    def has_ready(self) -> bool:
        """Evaluations wait; False also where there is no database yet."""
        process = self.start("sql", "select count(*) as n from v_evaluations where state = 'READY'", "--json")
        out, _ = process.communicate(timeout=60)
        return process.returncode == 0 and json.loads(out)[0]["n"] > 0

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)
