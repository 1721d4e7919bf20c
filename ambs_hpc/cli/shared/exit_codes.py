"""The exit codes of `ambs` beside 0, which says that what was asked was done, and 2, a wrong command line."""

from __future__ import annotations

EXIT_ERROR = 1  # an error, told in words; nothing was done, or what was done is kept
EXIT_STOPPED = 3  # stopped before everything asked for was done; the same command goes on
