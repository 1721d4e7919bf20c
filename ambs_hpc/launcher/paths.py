"""Where an evaluation's files lie: few entries in any folder, since parallel file systems list slowly.

Texts, not Paths: the launcher makes several for every evaluation.
"""

from __future__ import annotations

PER_FOLDER = 1000


def evaluation_folder(run_directory: str, ordinal: int) -> str:
    """The evaluation's own folder: RUN/012/012345 for ordinal 12345."""
    return f"{run_directory}/{ordinal // PER_FOLDER:03d}/{ordinal:06d}"


def attempt_folder(run_directory: str, ordinal: int, attempt: int) -> str:
    """One attempt's folder: working directory, `stdout`, `stderr`, `result.json`, `outcome.json`."""
    return f"{evaluation_folder(run_directory, ordinal)}/attempt-{attempt}"


def checkpoint_folder(run_directory: str, ordinal: int) -> str:
    """What $AMBS_CHECKPOINT_DIR names; the same for every attempt, made by the first that wants it."""
    return f"{evaluation_folder(run_directory, ordinal)}/checkpoint"
