"""Fake Cobalt, PBS and LSF: real executables that keep state in a folder and really run scripts.

    with FakeScheduler("cobalt", tmp_path / "fake", hosts=["n1", "n2"]) as fake:
        subprocess.run(["qsub", ...], env=fake.environ())

* `cobalt/` and `pbs/` hold the commands (qsub, qstat, qdel; PBS also qselect); `environ()` puts them first in
  PATH and names the state folder by FAKE_SCHEDULER_FOLDER. Nothing else is needed: any shell may use them so.
* Allocations get nodes in order of submission, their scripts run with the scheduler's environment (not the
  submitter's), get TERM and then KILL at walltime or deletion, and vanish from qstat when they end.
* `set(...)` changes the settings of `machine.DEFAULTS` at any time: `unreachable=True`, `lose_answers=1`
  (with `lose_how="error" | "hang" | "silent"`), `paused=True`, `seconds_per_minute=1.0`, `history=False`, ...
* `multiply(n)` adds n copies of the newest allocation, for tests with many.
* `calls()` tells which commands were run; `allocations()` what the machine knows, ended ones included.
* Leaving the block kills every script and the server, and waits for it.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

HERE = Path(__file__).resolve().parent
CLOSE_SECONDS = 20.0


def _load_machine() -> ModuleType:
    """As a module of its own name: the executables import it by its plain one."""
    specification = importlib.util.spec_from_file_location("fake_scheduler_machine", HERE / "machine.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


_machine = _load_machine()


class FakeScheduler:
    """A pretend machine under Cobalt, PBS or LSF."""

    def __init__(self, family: str, folder: Path, **settings: Any) -> None:
        assert family in ("cobalt", "pbs", "lsf"), family
        self.family, self.folder = family, folder
        self._state = _machine.Machine(folder)
        self.set(**settings)

    def __enter__(self) -> FakeScheduler:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def environ(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """An environment in which the scheduler's commands are the fake ones."""
        given = dict(os.environ if base is None else base)
        path = f"{HERE / self.family}{os.pathsep}{given.get('PATH', os.defpath)}"
        return given | {"PATH": path, _machine.FOLDER_VARIABLE: str(self.folder)}

    def set(self, **settings: Any) -> None:
        """Change settings, see `machine.DEFAULTS`."""
        self._state.set(**settings)

    def calls(self, program: str | None = None) -> list[list[str]]:
        """Argument vectors of the commands that were run, the program first, oldest first."""
        with self._state.connect() as connection:
            rows = connection.execute("SELECT program, argv FROM call ORDER BY rowid").fetchall()
        return [[name, *json.loads(argv)] for name, argv in rows if program in (None, name)]

    def allocations(self) -> list[dict[str, Any]]:
        """All that were ever submitted: `id`, `state`, `name`, `hosts`, `exit_code`, ..."""
        return list(self._state.allocations(ended=True))

    def multiply(self, count: int) -> list[str]:
        """Numbers of `count` copies of the newest allocation, queued; quicker than as many submissions."""
        with self._state.connect() as connection:
            (data,) = connection.execute("SELECT data FROM allocation ORDER BY id DESC").fetchone()
            statement = "INSERT INTO allocation (state, data) VALUES ('queued', ?)"
            return [str(connection.execute(statement, (data,)).lastrowid) for _ in range(count)]

    def close(self) -> None:
        """Kill every script and end the server."""
        self.set(stop=True)
        deadline = time.monotonic() + CLOSE_SECONDS
        with (self.folder / "server.lock").open("a") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
                except BlockingIOError:
                    assert time.monotonic() < deadline, f"the fake server of {self.folder} does not end"
                    time.sleep(0.02)
