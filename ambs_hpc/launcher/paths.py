"""Where an evaluation's files lie: few entries in any folder, since parallel file systems list slowly."""

from __future__ import annotations

from pathlib import Path

PER_FOLDER = 1000


def evaluation_folder(run_directory: str, ordinal: int) -> Path:
    """The evaluation's own folder: RUN/012/012345 for ordinal 12345."""
    return Path(run_directory) / f"{ordinal // PER_FOLDER:03d}" / f"{ordinal:06d}"


def attempt_folder(run_directory: str, ordinal: int, attempt: int) -> Path:
    """One attempt's folder: working directory, `stdout`, `stderr`, `result.json`, `outcome.json`."""
    return evaluation_folder(run_directory, ordinal) / f"attempt-{attempt}"


def checkpoint_folder(run_directory: str, ordinal: int) -> Path:
    """What $AMBS_CHECKPOINT_DIR names; the same for every attempt, made by the first that wants it."""
    return evaluation_folder(run_directory, ordinal) / "checkpoint"
