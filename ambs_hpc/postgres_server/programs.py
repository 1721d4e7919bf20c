"""Runs PostgreSQL's own programs; for root, as an unprivileged user."""

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

UNPRIVILEGED = ("postgres", "nobody")  # the users tried for root, as whom PostgreSQL refuses to run


class Programs:
    """Runs the programs of one PostgreSQL as one user, in an environment without its variables."""

    def __init__(
        self, binaries: Binaries, user: pwd.struct_passwd | None, environment: Mapping[str, str]
    ) -> None:
        self.binaries, self.user = binaries, user
        # PGDATA, PGPORT and similar variables would overrule our arguments.
        self._environment = {
            name: value
            for name, value in environment.items()
            if not name.startswith("PG") and name != "LC_ALL"
        } | {"LC_ALL": "C"}

    @property
    def search_path(self) -> str | None:
        """The PATH by which other programs are found."""
        return self._environment.get("PATH")

    def run(self, program: str, *arguments: str, input_text: str = "") -> str:
        """Run a program to its end; returns its output.

        Raises:
            DatabaseRefused: it failed; the message holds its output.
        """
        # Files, not pipes: the server inherits them from pg_ctl and would keep a pipe open while it runs.
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
        """Give the file to the server's user."""
        if self.user is not None:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def _identity(self) -> dict[str, Any]:
        if self.user is None:
            return {}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}


def server_user() -> pwd.struct_passwd | None:
    """The user to run the server as; None for the present one.

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
