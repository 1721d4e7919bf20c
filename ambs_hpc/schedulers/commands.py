"""The one place that runs a scheduler's commands; a command without an answer gives a value, never an end."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from ambs_hpc.errors import SubmissionUnclear
from ambs_hpc.schedulers.protocol import Scheduler
from ambs_hpc.schedulers.submit_environment import overruling, submit_environment
from ambs_hpc.schedulers.values import (
    Completed,
    CouldNotAsk,
    CurrentAllocation,
    SchedulerCommand,
    Submission,
    SubmitRequest,
)

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")

TIMEOUT_SECONDS = 60.0
_MOST_QUESTIONS = 3  # a reader may ask in a second form, and for more details
_FIXED = {"LC_ALL": "C", "LANGUAGE": "C", "TZ": "UTC"}
# Formats that a user has chosen would change what we read.
_USER_FORMATS = (
    "SQUEUE_",
    "QSTAT_HEADER",
    "CQSTAT_HEADER",
    "SLURM_TIME_FORMAT",
    "SLURM_BITSTR_LEN",
    "SCANCEL_",
)
_SUBMIT_OPTIONS = ("SBATCH_", "PBS_DPREFIX", "QSUB_")


def ask(
    command: SchedulerCommand[Answer],
    *,
    environ: Mapping[str, str] | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Answer | CouldNotAsk:
    """Run the command and read its answer, second questions included.

    Args:
        environ: the environment, this process's own when None.
        timeout_seconds: for each command; its whole process group is then killed.

    Returns:
        CouldNotAsk when the command is missing, takes too long, or cannot reach its server.

    Raises:
        SubmissionRejected, SubmissionUnclear: from submissions only.
    """
    caller = os.environ if environ is None else environ
    for _ in range(_MOST_QUESTIONS):
        completed = _run(command, _environment(command, caller), timeout_seconds)
        if isinstance(completed, CouldNotAsk):
            return completed
        answer = command.read(completed)
        if not isinstance(answer, SchedulerCommand):
            return answer
        command = answer
    return CouldNotAsk(command.argv[0], "each of its answers leads to another question")


def submit(
    scheduler: Scheduler, request: SubmitRequest, *, environ: Mapping[str, str] | None = None
) -> Submission | CouldNotAsk:
    """Queue the script once; when the answer is lost, look for the allocation by its name.

    Returns:
        CouldNotAsk when nothing can have been submitted.

    Raises:
        SubmissionRejected: the scheduler refused the script.
        SubmissionUnclear: no answer, and nothing found yet: call `find` before submitting again.
    """
    command = scheduler.submit(request)
    options = _options(command, os.environ if environ is None else environ)
    if options:
        logger.warning(
            "%s does not get %s: the request decides. Options belong to ambs, or to `directives` of the site",
            command.argv[0],
            ", ".join(options),
        )
    try:
        return ask(command, environ=environ)
    except SubmissionUnclear:
        found = ask(scheduler.find(request), environ=environ)
        if isinstance(found, CouldNotAsk) or not found:
            raise
        logger.warning("submission's answer was lost and found again id=%s name=%s", found[-1], request.name)
        return Submission(found[-1])


def end_of_walltime(
    scheduler: Scheduler, here: CurrentAllocation, *, environ: Mapping[str, str] | None = None
) -> float | CouldNotAsk:
    """When the scheduler will end the allocation that we are in, seconds since 1970 UTC.

    The scheduler is asked, because a queue's limits or a person may have changed what was requested.
    """
    if here.ends_at is not None:
        return here.ends_at
    answer = ask(scheduler.status([here.scheduler_id]), environ=environ)
    if isinstance(answer, CouldNotAsk):
        return answer
    status = answer.known.get(here.scheduler_id)
    if status is None or status.ends_at is None:
        return CouldNotAsk(scheduler.name, f"it names no end for allocation {here.scheduler_id}")
    return status.ends_at


def _options(command: SchedulerCommand[Answer], caller: Mapping[str, str]) -> list[str]:
    """Variables that a person has set as options; those of an allocation around us are nobody's wish."""
    hidden = overruling(command.argv[0], caller) if command.inherits else []
    return [name for name in hidden if name.startswith(_SUBMIT_OPTIONS)]


def _environment(command: SchedulerCommand[Answer], caller: Mapping[str, str]) -> dict[str, str]:
    return submit_environment(command.argv[0], caller) if command.inherits else _neutral(caller)


def _neutral(environ: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in environ.items() if not key.startswith(_USER_FORMATS)} | _FIXED


def _run(
    command: SchedulerCommand[Answer], environ: dict[str, str], timeout_seconds: float
) -> Completed | CouldNotAsk:
    """Run it in a process group of its own, so that no process of it survives or holds our pipes."""
    logger.debug("scheduler asked argv=%s", command.argv)
    try:
        process = subprocess.Popen(
            command.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=command.directory,
            env=environ,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return CouldNotAsk(command.argv[0], f"{error}. Is the scheduler's client in PATH?")
    exit_code: int | None
    try:
        stdout, stderr = process.communicate(timeout=timeout_seconds)
        exit_code = process.returncode
    except subprocess.TimeoutExpired as late:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        stdout, stderr, exit_code = _text(late.stdout), f"no answer in {timeout_seconds:g} s", None
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    logger.debug("scheduler answered exit_code=%s stdout=%r stderr=%r", exit_code, stdout, stderr)
    return Completed(exit_code, stdout, stderr, _evidence(command.evidence))


def _text(output: str | bytes | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


def _evidence(path: Path | None) -> str | None:
    try:
        return None if path is None else path.read_text(errors="replace")
    except OSError:
        return None
