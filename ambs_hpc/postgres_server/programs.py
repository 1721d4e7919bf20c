"""PostgreSQL's own programs, run as somebody else when we are root."""

from __future__ import annotations

import contextlib
import os
import pwd
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from ambs_hpc.errors import DatabaseRefused, UsageError
from ambs_hpc.postgres_server.binaries import Binaries

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
        # Files, not pipes: the server inherits them from pg_ctl and would keep a pipe open for ever.
        with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as complained:
            done = subprocess.run(
                [self.binaries.path(program), *arguments],
                input=input_text,
                stdout=said,
                stderr=complained,
                text=True,
                check=False,
                cwd="/",
                env=self._environment,
                umask=0o077,
                **self._identity(),
            )
            output, errors = _content(said), _content(complained)
        if done.returncode != 0:
            words = " ".join(f"{output} {errors}".split()) or "it said nothing"
            raise DatabaseRefused(f"{program} failed: {words}")
        return output

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


def _content(file: IO[str]) -> str:
    file.seek(0)
    return file.read()
