"""How an attempt ended: its value or its failure kind, written to disk before anyone is told."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import signal
import stat
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ambs_hpc.launcher.supervisor.functions.endings import exit_status, signal_name, traceback_of
from ambs_hpc.launcher.supervisor.messages import AttemptReport, StartRequest, from_json, is_sound, to_json
from ambs_hpc.launcher.supervisor.metrics import ParsedResult, bad_result, parse_result
from ambs_hpc.launcher.supervisor.random_seed import SEED_VARIABLE, seed_generators
from ambs_hpc.launcher.supervisor.running_attempt import RunningAttempt

# Names that no program uses for files of its own.
OUTCOME = ".ambs-outcome.json"
RESULT = ".ambs-result.json"
MARK = "AMBS-RESULT:"
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
BARE_NUMBER = (
    f"note: the objective is the number on the last line of stdout; print '{MARK} NUMBER' to be sure"
)
TAIL_BYTES = 2000
SEARCHED_BYTES = 65536
LONGEST_FILE_BYTES = 4 << 20  # of a result or an outcome: its supervisor reads so much in half a second
SYNC_FROM_SECONDS = 1.0
# Errors by which a file system says that it, or the way to it, fails: no evaluation's fault.
NODE_TROUBLES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE})
PROBE_BYTES = 1 << 16
UNENTERED_STATUS = 213  # of a fork whose node could not write into its folder; hardly a program's own
PASSING_TROUBLE = "an error that has passed"
ROOM_SECONDS = 600.0  # a value may have taken hours: so long it waits for room on the disk
ROOM_LOOK_SECONDS = 1.0
TERMINATED = (-signal.SIGTERM, 128 + signal.SIGTERM)  # by a signal; by a shell whose command was
Folder = str | os.PathLike[str]


def run_function(
    request: StartRequest, objective: Callable[[dict[str, Any]], object], started_at: float
) -> int:
    """Call the objective in a forked child and leave its outcome on disk; return the exit status.

    `started_at`: when the slot was taken, so that the cost of a fork is not mistaken for idleness.
    """
    try:
        if SEED_VARIABLE in request.environment:
            seed_generators(int(request.environment[SEED_VARIABLE]))
        said = parse_result(objective(dict(request.configuration)), request.objectives)
    except SystemExit as error:
        status = exit_status(error)
        return 1 if status == UNENTERED_STATUS else status
    except BaseException as error:  # noqa: BLE001  the border of the evaluation: whatever a person's code raises
        words = traceback_of(error)
        print(words, end="", file=sys.stderr)  # noqa: T201  as the interpreter would
        kind = "OUT_OF_MEMORY" if isinstance(error, MemoryError) else "ERROR"
        return _leave(request, started_at, ParsedResult(failure=kind, error=words[-TAIL_BYTES:]), 1)
    return _leave(request, started_at, said, 0)


def report_of(running: RunningAttempt, status: int, finished_at: float) -> AttemptReport:
    """The report of an attempt whose process has ended, with its outcome on disk.

    `stopped` says why it ended before it had anything to say: an interruption, no outcome. A TERM that
    nobody but the evaluation itself can have sent is its own failure. What failed in a folder that its node
    cannot write was interrupted.
    """
    request, code = running.request, os.waitstatus_to_exitcode(status)
    if code == UNENTERED_STATUS and request.arguments is None:
        why = obstacle_to_writing(request.folder)
        # A program that ends so by itself must not run again without end: that has begun, and counts.
        return _kept_from_writing(
            request, running.started_at, code, why or PASSING_TROUBLE, has_begun=not why
        )
    report = _end_of(running, code, finished_at)
    if report.failure not in (None, "OUT_OF_MEMORY"):
        why = obstacle_to_writing(request.folder)
        if why:
            with contextlib.suppress(OSError):  # a later launcher would count the failure
                os.unlink(f"{request.folder}/{OUTCOME}")  # noqa: PTH108  as with `write_outcome`
            return _kept_from_writing(request, running.started_at, code, why, has_begun=True)
    return report


def _end_of(running: RunningAttempt, code: int, finished_at: float) -> AttemptReport:
    """The report by its exit status and by what it left; on disk, where that can be written."""
    request = running.request
    is_command = request.arguments is not None and not request.reads_request
    left = None if is_command else read_outcome(request.folder, request.attempt, request.token)
    if left is not None and (left.failure is None or running.ended_by is None):
        # Its slot is free when its process is gone, not when it had its result: a GPU's memory takes a while.
        return replace(left, id=request.id, exit_status=code, finished_at=finished_at)
    said = command_result(request.folder, request.objectives) if is_command and code == 0 else None
    if said is None or said.failure is not None:
        if running.ended_by == "stopped":
            return _report(request, running.started_at, finished_at, code, stopped="stopped")
        said = _failure(running, code, said)
        said = replace(said, error=_with_stderr(said.error, request.folder))
    report = _report(request, running.started_at, finished_at, code, said)
    try:
        write_outcome(request.folder, report)
    except OSError as error:  # it may have removed its folder: the launcher hears of its end all the same
        with contextlib.suppress(OSError):  # the log may be on the same disk
            print(f"outcome of {request.folder} could not be written: {error}", file=sys.stderr)  # noqa: T201
        return replace(report, unwritable=node_trouble(error))
    return report


def is_termination(status: int) -> bool:
    """Whether a process ended by TERM: its own, or the scheduler's, which sends it to all."""
    return os.waitstatus_to_exitcode(status) in TERMINATED


def stopped(request: StartRequest) -> AttemptReport:
    """The report of an attempt that was stopped before it began."""
    now = time.time()
    return _report(request, now, now, None, stopped="stopped")


def unfit(request: StartRequest, why: str) -> AttemptReport:
    """The report of an attempt that was not begun because something is wrong with its node."""
    now = time.time()
    report = _report(request, now, now, None, stopped=f"{request.node} is unfit: {why}")
    return replace(report, has_begun=False)


def not_started(request: StartRequest, error: Exception) -> AttemptReport:
    """The report of an attempt whose program could not be started."""
    now = time.time()
    said = ParsedResult(failure="ERROR", error=f"could not be started: {error}")
    return _report(request, now, now, None, said)


def not_begun(request: StartRequest, error: Exception) -> AttemptReport:
    """The same, or the report of an interruption where the node was at fault."""
    why = node_trouble(error)
    return (
        _kept_from_writing(request, time.time(), None, why, has_begun=False)
        if why
        else not_started(request, error)
    )


def node_trouble(error: Exception) -> str:
    """What the node's file system says, when the error is its fault; "" when it is not."""
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno in NODE_TROUBLES else ""


def obstacle_to_writing(folder: Folder, size_bytes: int = PROBE_BYTES, *, is_synced: bool = False) -> str:
    """What keeps its node from writing into the folder, found by trying; "" for nothing.

    Free space alone does not show quotas. A folder that is missing, or not ours to write, is no such thing.

    Args:
        is_synced: whether to wait until the disk has it: some file systems tell a quota only then.
    """
    name = f"{folder}/.ambs-probe.{os.getpid()}.{time.time_ns()}"
    try:
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            try:
                _write_all(descriptor, bytes(size_bytes))
                if is_synced:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
        finally:
            os.unlink(name)  # noqa: PTH108  as with `write_outcome`
    except OSError as error:
        return node_trouble(error)
    return ""


def command_result(folder: Folder, objectives: Sequence[str] = ()) -> ParsedResult | None:
    """Read what a command left: the file that $AMBS_RESULT named, else its last result line, else None.

    A file that holds no objective does not hide a line that does. Where there is neither, a number that
    stands alone on the last line is taken, with a note as `error`.
    """
    from_file = _read_result(lambda: _file_content(f"{folder}/{RESULT}"), objectives)
    if from_file is not None and from_file.failure is None:
        return from_file
    lines = _last_lines(folder)
    from_line = _read_result(lambda: _marked(lines), objectives)
    if from_file is None and from_line is None:
        return None if objectives else _bare_number(lines)
    return from_line if from_file is None or (from_line and from_line.failure is None) else from_file


def read_outcome(folder: Folder, attempt: int, token: str | None = None) -> AttemptReport | None:
    """The outcome that this attempt wrote, if it did.

    Args:
        token: of the attempt, since attempt numbers repeat when a database goes back to an older copy; None
            where it is not known.
    """
    try:
        report = from_json(AttemptReport, read_regular(f"{folder}/{OUTCOME}") or b"{}")
    except (ValueError, OSError, RecursionError, MemoryError):
        return None
    is_its_own = report.attempt == attempt and (token is None or report.token == token)
    return report if is_its_own and is_sound(report) else None


def write_outcome(folder: Folder, report: AttemptReport) -> None:
    """Write the outcome file atomically: a reader sees all of it or nothing, after a power cut too.

    A sync of the disk costs milliseconds; what took less than `SYNC_FROM_SECONDS` is cheaper to run again.
    """
    temporary = f"{folder}/{OUTCOME}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        _write_all(descriptor, to_json(report).encode())
        if report.finished_at - report.started_at >= SYNC_FROM_SECONDS:
            os.fsync(descriptor)
    except OSError:
        os.unlink(temporary)  # noqa: PTH108  its beginning takes room on a full disk
        raise
    finally:
        os.close(descriptor)
    os.replace(temporary, f"{folder}/{OUTCOME}")  # noqa: PTH105  as with `_content`


def _write_all(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def tail(file: Folder, size: int = TAIL_BYTES) -> str:
    """The last part of a log, from the beginning of a line; "" where there is no regular file."""
    try:
        content = read_regular(file, last_bytes=size) or b""
    except OSError:
        return ""
    text = content.decode(errors="replace")
    return text if len(content) < size else text.partition("\n")[2]


def read_regular(file: Folder, *, last_bytes: int | None = None) -> bytes | None:
    """The content of a regular file, or of its end; None when there is none.

    What an evaluation left may be anything: a named pipe would block whoever opens it, a link leads to other
    people's files, a device never ends. By descriptor: this runs for every evaluation, in processes where a
    Path costs ten times as much.

    Raises:
        OSError: it is no regular file, longer than LONGEST_FILE_BYTES, or cannot be read.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{os.fspath(file)} is not a regular file")
        length = status.st_size if last_bytes is None else min(status.st_size, last_bytes)
        if length > LONGEST_FILE_BYTES:
            raise OSError(f"{os.fspath(file)} has {length} bytes, more than {LONGEST_FILE_BYTES}")
        return os.pread(descriptor, length, status.st_size - length)
    finally:
        os.close(descriptor)


def _failure(running: RunningAttempt, code: int, said: ParsedResult | None) -> ParsedResult:
    request = running.request
    if running.ended_by == "time":
        return ParsedResult(
            failure="TIMEOUT", error=f"ran past its time limit of {request.time_limit_seconds:g} s"
        )
    if running.ended_by == "memory":
        limit = request.memory_bytes / 2**30
        return ParsedResult(failure="OUT_OF_MEMORY", error=f"used more than its limit of {limit:g} GiB")
    if running.ended_by == "kernel":
        error = "killed by the kernel: the machine was out of memory"
        return ParsedResult(failure="OUT_OF_MEMORY", error=error)
    if code < 0:
        return ParsedResult(failure="ERROR", error=f"killed by {signal_name(-code)}")
    if code > 0:
        return ParsedResult(failure="ERROR", error=f"exit status {code}")
    if said is not None:
        return said
    what = "JSON with " + ", ".join(request.objectives) if request.objectives else "NUMBER"
    return bad_result(f"no result: neither a line '{MARK} {what}' on stdout nor the file $AMBS_RESULT")


def _leave(request: StartRequest, started_at: float, said: ParsedResult, status: int) -> int:
    """Leave the outcome on disk; a value waits until there is room, for ROOM_SECONDS at most."""
    if said.failure is not None:
        sys.stderr.flush()
    report = _report(request, started_at, time.time(), None, said)
    patience = 0.0 if said.failure is not None else ROOM_SECONDS
    while True:
        try:
            write_outcome(request.folder, report)
        except OSError as error:
            if not node_trouble(error) or patience <= 0:
                raise
        else:
            return status
        time.sleep(ROOM_LOOK_SECONDS)
        patience -= ROOM_LOOK_SECONDS


def _kept_from_writing(
    request: StartRequest, started_at: float, exit_status: int | None, why: str, *, has_begun: bool
) -> AttemptReport:
    """The report of an attempt that its node ended, by not writing into its folder."""
    stopped = f"{request.folder} could not be written: {why}"
    report = _report(request, started_at, time.time(), exit_status, stopped=stopped)
    return replace(report, has_begun=has_begun, unwritable=why)


def _report(
    request: StartRequest,
    started_at: float,
    finished_at: float,
    exit_status: int | None,
    said: ParsedResult | None = None,
    stopped: str = "",
) -> AttemptReport:
    said = said or ParsedResult()
    return AttemptReport(
        request.id,
        request.attempt,
        request.node,
        started_at,
        finished_at,
        said.objective,
        said.metrics,
        said.failure,
        said.error,
        exit_status,
        stopped,
        token=request.token,
    )


def _last_lines(folder: Folder) -> list[str]:
    """The last lines of stdout, the last one first."""
    lines = tail(f"{folder}/stdout", SEARCHED_BYTES).splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n") and obstacle_to_writing(folder):
        lines.pop()  # a full disk may have cut it off within its number
    return lines[::-1]


def _marked(lines: list[str]) -> str | None:
    return next((line[len(MARK) :].strip() for line in lines if line.startswith(MARK)), None)


def _bare_number(lines: list[str]) -> ParsedResult | None:
    """The result of a command whose last words are a number, and nothing else."""
    words = next((line.strip() for line in lines if line.strip()), "")
    if not NUMBER.fullmatch(words) or not math.isfinite(float(words)):
        return None
    return ParsedResult(float(words), error=BARE_NUMBER)


def _file_content(file: str) -> str | None:
    content = read_regular(file)
    return None if content is None else content.decode()


def _read_result(read: Callable[[], str | None], objectives: Sequence[str]) -> ParsedResult | None:
    """What the text says, None when there is none; whatever is wrong with it is a bad result."""
    try:
        text = read()
        return None if text is None else parse_result(_number_or_json(text), objectives)
    except (RecursionError, MemoryError):
        return bad_result("the result is nested too deeply, or too large")
    except (ValueError, OSError) as error:
        return bad_result(f"the result cannot be read ({error})")


def _number_or_json(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return json.loads(text)


def _with_stderr(error: str, directory: str) -> str:
    lines = tail(f"{directory}/stderr").strip()
    return f"{error}\n{lines}" if lines else error
