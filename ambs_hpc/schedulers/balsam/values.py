"""The values exchanged with Balsam's service: sites, jobs, batch jobs. Nothing here sends a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

# States of jobs that may still run, or whose end Balsam has not processed.
UNFINISHED = (
    *("CREATED", "AWAITING_PARENTS", "READY", "STAGED_IN", "PREPROCESSED", "RUNNING", "RUN_DONE"),
    *("RUN_ERROR", "RUN_TIMEOUT", "RESTART_READY", "POSTPROCESSED", "STAGED_OUT"),
)


@dataclass(frozen=True, slots=True)
class BalsamSite:
    """A Balsam site.

    Args:
        path: its folder, on the file system of its machine.
        age_seconds: time since the last sign of life of its agent; None when there was none.
    """

    id: int
    name: str
    path: Path
    age_seconds: float | None


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be created; fields as Balsam names them."""

    workdir: str
    tags: Mapping[str, str]
    parameters: Mapping[str, str]
    folder: str
    num_nodes: int
    ranks_per_node: int
    threads_per_rank: int
    gpus_per_rank: int
    node_packing_count: int
    wall_time_min: int


@dataclass(frozen=True, slots=True)
class Job:
    """A job as Balsam knows it; `last_update` is the server's text for a time, UTC."""

    id: int
    state: str
    tags: Mapping[str, str]
    folder: str
    last_update: str


@dataclass(frozen=True, slots=True)
class JobEnding:
    """Why a job failed, from Balsam's event log."""

    job_id: int
    return_code: int | None
    words: str


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """A batch job to be created; `mode` is "serial" or "mpi"."""

    nodes: int
    minutes: int
    queue: str
    project: str
    mode: str
    filter_tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch job as Balsam knows it; `started_at` in seconds since 1970 UTC."""

    id: int
    scheduler_id: int | None
    state: str
    request: BatchRequest
    started_at: float | None
    error: str


def seconds_of(text: str) -> float:
    """Seconds since 1970 of a time as Balsam writes it: UTC, without saying so."""
    return datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=timezone.utc).timestamp()


def text_of(seconds: float) -> str:
    """The inverse of `seconds_of`."""
    return datetime.fromtimestamp(seconds, tz=timezone.utc).replace(tzinfo=None).isoformat()
