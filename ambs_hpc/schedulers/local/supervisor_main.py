"""The program behind `local`: starts a script under a supervisor, and reads its state from /proc.

    python supervisor_main.py submit FOLDER SCRIPT NAME DIRECTORY WALLTIME_SECONDS [ID TO WAIT FOR]
    python supervisor_main.py status|cancel FOLDER ID...
    python supervisor_main.py find FOLDER NAME

Supervisor and script are detached, each in a session of its own. A record per allocation, FOLDER/ID.json, is
written by the supervisor alone: before the script starts, and again when it has ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ambs_hpc.identity import start_time
from ambs_hpc.schedulers.helper_protocol import REFUSED
from ambs_hpc.schedulers.local.scheduler import PROGRAM
from ambs_hpc.schedulers.values import AllocationState, AllocationStatus

KILL_AFTER_SECONDS = 30.0  # from TERM to KILL, as batch systems do it
_START_SECONDS = 30.0
_LEFT_BEHIND_SECONDS = 2.0
_STEP_SECONDS = 0.05
_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


@dataclass(frozen=True, slots=True)
class Record:
    """The record of an allocation; times are seconds since 1970 UTC.

    Args:
        started_at: of its script; while it waits for another, when it was submitted.
        waits_for: the id of the one before whose end its script is not started; empty for none any more.
    """

    scheduler_id: str
    host: str
    name: str
    walltime_seconds: int
    started_at: float
    script_pid: int = 0
    script_ticks: int = 0
    ended_at: float | None = None
    comment: str = ""
    waits_for: str = ""


def main(arguments: Sequence[str]) -> int:
    """Run a verb with its arguments; the exit status."""
    verb, folder, *rest = arguments
    if verb == "submit":
        return _submit(Path(folder), rest)
    if verb == "supervise":
        return _supervise(Path(folder), rest)
    if verb == "find":
        found = [each for each in _records(Path(folder)) if each.name == rest[0]]
        _print_lines(*(each.scheduler_id for each in sorted(found, key=lambda each: each.started_at)))
        return 0
    for record in _records(Path(folder), rest):
        if verb == "status":
            _print_lines(json.dumps(asdict(_status(Path(folder), record))))
        elif _cancel(Path(folder), record):
            _print_lines(record.scheduler_id)
    return 0


def _print_lines(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


def _submit(folder: Path, arguments: Sequence[str]) -> int:
    """Start the supervisor and wait until its record is written: then `status` and `find` know the id."""
    script = Path(arguments[0])
    if not (script.is_file() and os.access(script, os.X_OK)):
        sys.stderr.write(f"{script} is not an executable file\n")
        return REFUSED
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [*PROGRAM, "supervise", str(folder), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    scheduler_id = f"{process.pid}.{start_time(process.pid)}"
    deadline = time.monotonic() + _START_SECONDS
    while not _path(folder, scheduler_id).exists():
        if process.poll() is not None or time.monotonic() > deadline:
            sys.stderr.write("the supervisor did not start\n")
            return 1
        time.sleep(_STEP_SECONDS)
    _print_lines(scheduler_id)
    return 0


def _supervise(folder: Path, arguments: Sequence[str]) -> int:
    """Run the script until it ends by itself, by cancellation or by its walltime; a record always remains."""
    script, name, directory, walltime, *after = arguments
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stop.append(number))
    _become_subreaper()
    scheduler_id = f"{os.getpid()}.{start_time(os.getpid())}"
    record = Record(scheduler_id, socket.gethostname(), name, int(walltime), time.time())
    record = replace(record, waits_for=after[0] if after else "")
    _write(folder, record)
    while record.waits_for:
        if stop:
            _write(folder, replace(record, ended_at=time.time(), comment="cancelled"))
            return 0
        if _is_over(folder, record.waits_for):
            record = replace(record, waits_for="", started_at=time.time())
        time.sleep(_STEP_SECONDS)
    process = _start(record, Path(script), Path(directory))
    record = replace(record, script_pid=process.pid, script_ticks=start_time(process.pid) or 0)
    _write(folder, record)
    reason = _wait(process, record.walltime_seconds, stop)
    _clear(process.pid)
    comment = f"{reason}exit status {process.returncode}"
    _write(folder, replace(record, script_pid=0, ended_at=time.time(), comment=comment))
    return 0


def _is_over(folder: Path, scheduler_id: str) -> bool:
    """Whether nothing of an allocation runs any more, as far as can be seen from here."""
    try:
        record = _read(_path(folder, scheduler_id))
    except (OSError, ValueError, TypeError):
        return False  # it cannot be seen now
    if record is None or record.ended_at is not None:
        return True
    return record.host == socket.gethostname() and not _alive(record)


def _start(record: Record, script: Path, directory: Path) -> subprocess.Popen[bytes]:
    """Start the script with its output in the directory and its identity in the environment."""
    environ = os.environ | {
        "AMBS_LOCAL_ID": record.scheduler_id,
        "AMBS_LOCAL_HOST": record.host,
        "AMBS_LOCAL_END": f"{record.started_at + record.walltime_seconds:.3f}",
    }
    with (
        (directory / f"{record.name}.output").open("ab") as output,
        (directory / f"{record.name}.error").open("ab") as error,
    ):
        return subprocess.Popen(
            [str(script)],
            cwd=directory,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=error,
            start_new_session=True,
        )


def _wait(process: subprocess.Popen[bytes], walltime_seconds: float, stop: list[int]) -> str:
    """Wait until the script has ended, with TERM and then KILL when it must; the reason for that."""
    deadline = time.monotonic() + walltime_seconds
    reason = ""
    kill_at = float("inf")
    while process.poll() is None or (reason and _lives(process.pid)):
        now = time.monotonic()
        if not reason and (stop or now >= deadline):
            reason = "cancelled; " if stop else "killed at the end of its walltime; "
            kill_at = now + KILL_AFTER_SECONDS
            _signal_group(process.pid, signal.SIGTERM)
        if now >= kill_at:
            _signal_group(process.pid, signal.SIGKILL)
        time.sleep(_STEP_SECONDS)
    return reason


def _clear(group: int) -> None:
    """End the processes that the script left in its group."""
    deadline = time.monotonic() + _LEFT_BEHIND_SECONDS
    while _lives(group):
        _signal_group(group, signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL)
        if time.monotonic() > 2 * _LEFT_BEHIND_SECONDS + deadline:
            return  # only zombies, which nobody reaps
        time.sleep(_STEP_SECONDS)


def _lives(group: int) -> bool:
    """Whether the group of an ended script has members, after reaping those that became our children."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass
    return _signal_group(group, 0)


def _become_subreaper() -> None:
    """Become the parent of the script's orphans: zombies elsewhere may keep its group alive for long."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _signal_group(group: int, number: int) -> bool:
    """Send a signal to a group; whether the group had members, zombies included."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def _status(folder: Path, record: Record) -> AllocationStatus:
    state, own_state = AllocationState.RUNNING, "running"
    comment = record.comment
    if record.ended_at is not None:
        state, own_state = AllocationState.ENDED, "ended"
    elif record.host != socket.gethostname():
        state, own_state = AllocationState.UNKNOWN, "elsewhere"
        comment = f"it runs on {record.host} and can be asked about only there"
    elif not _alive(record):
        state, own_state = AllocationState.ENDED, "lost"
        comment = "its supervisor and its script have ended without leaving a record"
    elif _cancelled(folder, record).exists():
        state, own_state = AllocationState.ENDING, "cancelled"
    elif record.waits_for:
        state, own_state = AllocationState.QUEUED, "waiting"
        comment = f"for the end of {record.waits_for}"
    has_started = not record.waits_for
    ends_at = record.started_at + record.walltime_seconds if has_started else None
    return AllocationStatus(
        scheduler_id=record.scheduler_id,
        state=state,
        own_state=own_state,
        name=record.name,
        nodes=1,
        walltime_seconds=record.walltime_seconds,
        started_at=record.started_at if has_started else None,
        ends_at=ends_at if record.ended_at is None else record.ended_at,
        comment=comment,
    )


def _alive(record: Record) -> bool:
    """Whether the supervisor lives, or the script after somebody killed the supervisor alone."""
    pid, ticks = (int(part) for part in record.scheduler_id.split("."))
    if start_time(pid) == ticks:
        return True
    return record.script_pid > 0 and start_time(record.script_pid) == record.script_ticks


def _cancel(folder: Path, record: Record) -> bool:
    """Send TERM to the supervisor, which ends the script's group; False when no process of it lives here."""
    if record.ended_at is not None or record.host != socket.gethostname() or not _alive(record):
        return False
    _cancelled(folder, record).touch()
    pid, ticks = (int(part) for part in record.scheduler_id.split("."))
    if start_time(pid) == ticks:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        return True
    return _signal_group(record.script_pid, signal.SIGTERM)  # its supervisor was killed


def _cancelled(folder: Path, record: Record) -> Path:
    """The mark of a cancellation, beside the record, which the supervisor alone writes."""
    return _path(folder, record.scheduler_id).with_suffix(".cancelled")


def _records(folder: Path, ids: Sequence[str] | None = None) -> Iterator[Record]:
    # By the form of an id: what is submitted to Balsam lies in the same folder, as NUMBER.json.
    paths = sorted(folder.glob("*.*.json")) if ids is None else [_path(folder, each) for each in ids]
    for path in paths:
        record = _read(path)
        if record is not None:
            yield record


def _path(folder: Path, scheduler_id: str) -> Path:
    return folder / f"{Path(scheduler_id).name}.json"


def _read(path: Path) -> Record | None:
    """The record, or None when there is none; an unreadable record is an error, not an unknown id."""
    try:
        return Record(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None


def _write(folder: Path, record: Record) -> None:
    """Write the record atomically: a reader never sees a part of it."""
    path = _path(folder, record.scheduler_id)
    draft = path.with_suffix(f".{os.getpid()}.draft")
    draft.write_text(json.dumps(asdict(record)))
    draft.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
