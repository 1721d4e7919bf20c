"""Ctrl-C before a search has begun to listen for it: the same end as later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from ambs_hpc.cli.shared.exit_codes import EXIT_STOPPED
from ambs_hpc.cli.shared.terminal import write


@contextmanager
def told_when_stopped() -> Iterator[None]:
    """Turn a Ctrl-C that nobody else takes into a word and the exit code of what was stopped."""
    try:
        yield
    except KeyboardInterrupt as error:
        write("ambs: stopped before it was done; the same command goes on.\n", err=True)
        raise typer.Exit(EXIT_STOPPED) from error
