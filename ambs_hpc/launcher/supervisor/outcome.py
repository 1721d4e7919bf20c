"""How an attempt ended: its value or its failure kind, written to disk before anyone is told."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ambs_hpc.launcher.supervisor.spawn import Running

OUTCOME = "outcome.json"
RESULT = "result.json"
MARK = "AMBS-RESULT:"
TAIL_BYTES = 2000
SEARCHED_BYTES = 65536
SYNC_FROM_SECONDS = 1.0
TERMINATED = (-signal.SIGTERM, 128 + signal.SIGTERM)  # by a signal; by a shell whose command was
Report = dict[str, Any]
Folder = str | os.PathLike[str]


def run_function(
    request: Mapping[str, Any], objective: Callable[[dict[str, Any]], object], started_at: float
) -> int:
    """In the forked child: call the objective and leave its outcome; the exit status.

    `started_at`: when the slot was taken, so that the cost of a fork is not mistaken for idleness.
    """
    try:
        value = objective(dict(request["configuration"]))
    except SystemExit as error:
        return _exit_status(error)
    except MemoryError:
        traceback.print_exc()
        return _leave(request, started_at, {"failure": "OUT_OF_MEMORY", "error": _last_traceback()}, 1)
    except BaseException:  # noqa: BLE001  the border of the evaluation: whatever a person's code raises
        traceback.print_exc()
        return _leave(request, started_at, {"failure": "ERROR", "error": _last_traceback()}, 1)
    return _leave(request, started_at, parse_result(value), 0)


def of(running: Running, status: int, finished_at: float) -> Report:
    """The report of an attempt whose process has ended, with its outcome on disk.

    `stopped` says why it ended before it had anything to say: an interruption, no outcome. A TERM that is
    not ours is the scheduler's, which sends it to everything before it takes the nodes.
    """
    request = running.request
    directory = str(request["directory"])
    is_command = request["arguments"] is not None and not request.get("needs_request")
    code = os.waitstatus_to_exitcode(status)
    left = None if is_command else read_outcome(directory, request["attempt"])
    if left is not None and (left.get("failure") is None or running.ended_by is None):
        # Its slot is free when its process is gone, not when it had its result: a GPU's memory takes a while.
        return {**left, "id": request["id"], "exit_status": code, "finished_at": finished_at}
    report = {**_base(request, running.started_at, finished_at), "exit_status": code}
    said = command_result(directory) if is_command and code == 0 else None
    if said is not None and said.get("failure") is None:
        report.update(said)
    elif running.ended_by == "stopped":
        return {**report, "stopped": "stopped"}
    elif running.ended_by is None and code in TERMINATED:
        return {**report, "stopped": "terminated from outside"}
    else:
        report.update(_failure(running, code, said))
        report["error"] = _with_stderr(report["error"], directory)
    write_outcome(directory, report)
    return report


def stopped(request: Mapping[str, Any]) -> Report:
    """The report of an attempt that was stopped before it began."""
    now = time.time()
    return {**_base(request, now, now), "exit_status": None, "stopped": "stopped"}


def not_started(request: Mapping[str, Any], error: OSError) -> Report:
    """The report of an attempt whose program could not be started."""
    now = time.time()
    said = {"failure": "ERROR", "error": f"could not be started: {error}"}
    return {**_base(request, now, now), "exit_status": None, **said}


def parse_result(value: object) -> Report:
    """A value as an objective returns it: a finite number, or a dict with `objective` and JSON metrics."""
    if type(value) is float and math.isfinite(value):  # most are, and what follows is dear in a fresh fork
        return {"objective": value, "metrics": {}, "failure": None}
    metrics: dict[str, Any] = {}
    if isinstance(value, Mapping):
        metrics = {str(name): item for name, item in value.items() if name != "objective"}
        if "objective" not in value:
            return _bad(f"the result {_short(value)} has no 'objective'")
        value = value["objective"]
    try:
        number = float(value)  # type: ignore[arg-type]  # anything may come, and float says what is a number
    except (TypeError, ValueError):
        return _bad(f"the objective {_short(value)} is not a number")
    if isinstance(value, str | bytes) or not math.isfinite(number):
        return _bad(f"the objective {_short(value)} is not a finite number")
    return {"objective": number, "metrics": json.loads(json.dumps(metrics, default=_plain)), "failure": None}


def command_result(directory: Folder) -> Report | None:
    """What a command left: the file that $AMBS_RESULT named, else its last result line; None for nothing."""
    try:
        file = _content(f"{directory}/{RESULT}")
        if file is not None:
            return parse_result(json.loads(file))
        line = _last_marked_line(f"{directory}/stdout")
        return None if line is None else parse_result(_number_or_json(line))
    except ValueError as error:
        return _bad(f"the result is neither a number nor JSON ({error})")


def read_outcome(directory: Folder, attempt: int) -> Report | None:
    """The outcome that this attempt wrote, if it did."""
    content = _content(f"{directory}/{OUTCOME}")
    try:
        report: Report = json.loads(content or b"{}")
    except ValueError:
        return None
    return report if report.get("attempt") == attempt else None


def write_outcome(directory: Folder, report: Report) -> None:
    """Atomically: whoever reads it reads all of it, and after a power cut all of it or nothing.

    A sync of the disk costs milliseconds; what took less than `SYNC_FROM_SECONDS` is cheaper to run again.
    """
    temporary = f"{directory}/.{OUTCOME}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        content = memoryview(json.dumps(report).encode())
        while content:
            content = content[os.write(descriptor, content) :]
        if report["finished_at"] - report["started_at"] >= SYNC_FROM_SECONDS:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(temporary, f"{directory}/{OUTCOME}")  # noqa: PTH105  as with `_content`


def tail(file: Folder, size: int = TAIL_BYTES) -> str:
    """The last part of a log, from a line's beginning."""
    content = _content(file, size) or b""
    text = content.decode(errors="replace")
    return text if len(content) < size else text.partition("\n")[2]


def _content(file: Folder, last_bytes: int | None = None) -> bytes | None:
    """Of a file, or of its end; None when there is no such file.

    By descriptor: this runs for every evaluation, in processes that are ten times as dear as a Path.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        size = os.fstat(descriptor).st_size
        length = size if last_bytes is None else min(size, last_bytes)
        return os.pread(descriptor, length, size - length)
    finally:
        os.close(descriptor)


def _failure(running: Running, code: int, said: Report | None) -> Report:
    if running.ended_by == "time":
        limit = running.request["time_limit_seconds"]
        return {"failure": "TIMEOUT", "error": f"ran past its time limit of {limit:g} s"}
    if running.ended_by == "memory":
        limit = running.memory_bytes / 2**30
        return {"failure": "OUT_OF_MEMORY", "error": f"used more than its limit of {limit:g} GiB"}
    if running.ended_by == "kernel":
        return {"failure": "OUT_OF_MEMORY", "error": "killed by the kernel: the machine was out of memory"}
    if code < 0:
        return {"failure": "ERROR", "error": f"killed by {signal.Signals(-code).name}"}
    if code > 0:
        return {"failure": "ERROR", "error": f"exit status {code}"}
    if said is not None:
        return said
    return _bad(f"no result: neither a line '{MARK} NUMBER' on stdout nor the file $AMBS_RESULT")


def _leave(request: Mapping[str, Any], started_at: float, said: Report, status: int) -> int:
    directory = str(request["directory"])
    if said["failure"] is not None:
        sys.stderr.flush()
    write_outcome(directory, {**_base(request, started_at, time.time()), **said})
    return status


def _base(request: Mapping[str, Any], started_at: float, finished_at: float) -> Report:
    return {
        "id": request["id"],
        "attempt": request["attempt"],
        "node": request["node"],
        "started_at": started_at,
        "finished_at": finished_at,
        "objective": None,
        "metrics": {},
        "failure": None,
        "error": "",
    }


def _exit_status(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)  # noqa: T201  # what the interpreter itself would do
    return 1


def _last_marked_line(file: str) -> str | None:
    for line in reversed(tail(file, SEARCHED_BYTES).splitlines()):
        if line.startswith(MARK):
            return line[len(MARK) :].strip()
    return None


def _number_or_json(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return json.loads(text)


def _last_traceback() -> str:
    return traceback.format_exc()[-TAIL_BYTES:]


def _with_stderr(error: str, directory: str) -> str:
    lines = tail(f"{directory}/stderr").strip()
    return f"{error}\n{lines}" if lines else error


def _bad(error: str) -> Report:
    return {"failure": "BAD_RESULT", "error": error}


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "..."


def _plain(value: object) -> object:
    """JSON for what numeric libraries return."""
    for name in ("item", "tolist"):
        method = getattr(value, name, None)
        if callable(method):
            try:
                return method()
            except (TypeError, ValueError):
                continue
    return repr(value)
