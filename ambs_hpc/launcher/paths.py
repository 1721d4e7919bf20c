"""Where an evaluation's files lie: one new folder for each attempt, some thousands of them in any folder.

A parallel file system is slow at making folders and at listing long ones.
Texts, not Paths: the launcher makes several for every evaluation.
"""

from __future__ import annotations

import hashlib
import json
import os

from ambs_hpc.records import Configuration

PER_FOLDER = 1000


def attempt_folder(run_directory: str, ordinal: int, attempt: int) -> str:
    """One attempt's folder, RUN/012/012345-1: where it works, `stdout`, `stderr` and its result.

    What a person added lies in RUN/added/000001-1.
    """
    return f"{_stem(run_directory, ordinal)}-{attempt}"


def checkpoint_folder(run_directory: str, ordinal: int, configuration: Configuration) -> str:
    """What $AMBS_CHECKPOINT_DIR names; the same for every attempt, made by the first that wants it.

    The name carries the configuration: a database that went back to an older copy gives an ordinal again, and
    another configuration must not go on from that one's checkpoint.
    """
    text = json.dumps(configuration, sort_keys=True).encode()
    return f"{_stem(run_directory, ordinal)}-checkpoint-{hashlib.sha256(text).hexdigest()[:8]}"


def has_checkpoint(folder: str) -> bool:
    """Whether anything lies in a checkpoint folder; also where it cannot be looked into."""
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None
    except FileNotFoundError:
        return False
    except OSError:
        return True


def run_directory_of(folder: str) -> str:
    """The campaign's run directory, from an attempt's folder."""
    return folder.rsplit("/", 2)[0]


def _stem(run_directory: str, ordinal: int) -> str:
    if ordinal < 0:  # of a person, not of the search
        return f"{run_directory}/added/{-ordinal:06d}"
    return f"{run_directory}/{ordinal // PER_FOLDER:03d}/{ordinal:06d}"
