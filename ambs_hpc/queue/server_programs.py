"""PostgreSQL's own programs, run as somebody else when we are root."""

from __future__ import annotations

import contextlib
import os
import pwd
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ambs_hpc.errors import DatabaseRefused, UsageError
from ambs_hpc.queue.postgres_binaries import Binaries

UNPRIVILEGED = ("postgres", "nobody")  # whom root becomes: PostgreSQL refuses to run as root


class Programs:
    """Runs PostgreSQL's programs, as somebody else when we are root."""

    def __init__(
        self, binaries: Binaries, user: pwd.struct_passwd | None, environment: Mapping[str, str]
    ) -> None:
        self.binaries, self.user = binaries, user
        # PGDATA, PGPORT and their like would overrule what we ask for.
        self._environment = {
            name: value
            for name, value in environment.items()
            if not name.startswith("PG") and name != "LC_ALL"
        } | {"LC_ALL": "C"}

    @property
    def search_path(self) -> str | None:
        """Where other programs are looked for."""
        return self._environment.get("PATH")

    def run(self, program: str, *arguments: str, input_text: str = "") -> str:
        """The program's output.

        Raises:
            DatabaseRefused: it failed; with its own words.
        """
        # A file, not a pipe: the server inherits it and would keep a pipe open for ever.
        done = subprocess.run(
            [self.binaries.path(program), *arguments],
            input=input_text,
            stdout=subprocess.PIPE if program != "pg_ctl" else subprocess.DEVNULL,
            stderr=subprocess.PIPE if program != "pg_ctl" else subprocess.DEVNULL,
            text=True,
            check=False,
            cwd="/",
            env=self._environment,
            umask=0o077,
            **self._identity(),
        )
        if done.returncode != 0:
            said = " ".join(f"{done.stdout or ''} {done.stderr or ''}".split()) or "see the server's log"
            raise DatabaseRefused(f"{program} failed: {said}")
        return str(done.stdout or "")

    def own(self, path: Path) -> None:
        """The file belongs to the server's user."""
        if self.user is not None:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def _identity(self) -> dict[str, Any]:
        if self.user is None:
            return {}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}


def server_user() -> pwd.struct_passwd | None:
    """Whom to run the server as; None for ourselves.

    Raises:
        UsageError: PostgreSQL would refuse this user.
    """
    if os.geteuid() != 0:
        try:
            pwd.getpwuid(os.geteuid())
        except KeyError:
            raise UsageError(
                f"User id {os.geteuid()} has no entry in the password file, which PostgreSQL needs. Add "
                "one (in a container: run as a named user)."
            ) from None
        return None
    for name in UNPRIVILEGED:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise UsageError(
        "PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody` to run it as."
    )
