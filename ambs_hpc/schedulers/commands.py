"""The one place that runs a scheduler's commands; a command without an answer gives a value, never an end."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from ambs_hpc.errors import SubmissionRejected, SubmissionUnclear
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
    note_process: Callable[[int], object] = lambda _pid: None,
) -> Answer | CouldNotAsk:
    """Run the command and read its answer, second questions included.

    Args:
        environ: the environment, this process's own when None.
        timeout_seconds: for each command; its whole process group is then killed.
        note_process: told the id of each process that is started, before it is waited for.

    Returns:
        CouldNotAsk when the command is missing, takes too long, or cannot reach its server.

    Raises:
        SubmissionRejected, SubmissionUnclear: from submissions only.
    """
    caller = os.environ if environ is None else environ
    for _ in range(_MOST_QUESTIONS):
        completed = _run(command, _environment(command, caller), timeout_seconds, note_process)
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
        found = found_by_name(scheduler, request, environ=environ)
        if not isinstance(found, Submission):
            raise
        return found
    except SubmissionRejected as error:
        # What was taken can count against the limit by which its repetition is refused.
        if not command.may_repeat:
            raise
        found = found_by_name(scheduler, request, environ=environ)
        if found is None:
            raise
        if isinstance(found, CouldNotAsk):
            raise SubmissionUnclear(error.command, f"{error.output.strip()}; {found}") from error
        return found


def found_by_name(
    scheduler: Scheduler,
    request: SubmitRequest,
    *,
    living: bool = False,
    environ: Mapping[str, str] | None = None,
) -> Submission | CouldNotAsk | None:
    """The allocation that has the request's name; None when there is none.

    Some clients submit again by themselves when an answer is lost: of several, the oldest is kept and the
    others are cancelled, because one was asked for.

    Args:
        living: only what the scheduler itself shows, not what a log remembers.
    """
    command = scheduler.find(request)
    found = ask(replace(command, evidence=None) if living else command, environ=environ)
    if isinstance(found, CouldNotAsk):
        return found
    if not found:
        return None
    kept, *others = found
    if others:
        logger.warning("submitted several times name=%s kept=%s cancelled=%s", request.name, kept, others)
        answer = ask(scheduler.cancel(others), environ=environ)
        if isinstance(answer, CouldNotAsk):
            return answer
        if answer.refused:
            logger.warning("not cancelled, end them yourself: %s", dict(answer.refused))
    logger.info("allocation found by its name id=%s name=%s", kept, request.name)
    return Submission(kept)


def with_status(
    scheduler: Scheduler, here: CurrentAllocation, *, environ: Mapping[str, str] | None = None
) -> CurrentAllocation | CouldNotAsk:
    """The allocation that we are in with what its environment lacks: its end, and its share of each node.

    The scheduler is asked, because a queue's limits or a person may have changed what was requested.

    Returns:
        The allocation, without `ends_at` where the scheduler names no end; CouldNotAsk when it names nothing.
    """
    if here.ends_at is not None:
        return here
    answer = ask(scheduler.status([here.scheduler_id]), environ=environ)
    if isinstance(answer, CouldNotAsk):
        return answer
    status = answer.known.get(here.scheduler_id)
    if status is None:
        return CouldNotAsk(scheduler.name, f"it does not know allocation {here.scheduler_id}")
    granted = tuple(status.processors.get(node.partition(".")[0], 0) for node in here.nodes)
    return replace(
        here,
        ends_at=status.ends_at,
        processors=here.processors or (granted if all(granted) else ()),
        is_exclusive=status.is_exclusive,
    )


def _options(command: SchedulerCommand[Answer], caller: Mapping[str, str]) -> list[str]:
    """Variables that a person has set as options; those of an allocation around us are nobody's wish."""
    hidden = overruling(command.argv[0], caller) if command.inherits else []
    return [name for name in hidden if name.startswith(_SUBMIT_OPTIONS)]


def _environment(command: SchedulerCommand[Answer], caller: Mapping[str, str]) -> dict[str, str]:
    return submit_environment(command.argv[0], caller) if command.inherits else _neutral(caller)


def _neutral(environ: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in environ.items() if not key.startswith(_USER_FORMATS)} | _FIXED


def _run(
    command: SchedulerCommand[Answer],
    environ: dict[str, str],
    timeout_seconds: float,
    note_process: Callable[[int], object],
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
    note_process(process.pid)
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
