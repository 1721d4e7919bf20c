"""What the launcher and an evaluation that Balsam runs tell each other: files that both see, and no sockets.

Of an attempt, in its folder: the request; STARTED, which only one process can make and which is touched
as long as that one lives; STOP. Of a campaign: the folder `ended`, a file for each attempt that has ended,
so that one listing tells the launcher of all.
"""

from __future__ import annotations

import contextlib
import os

from ambs_hpc.launcher.supervisor.messages import AttemptReport, ImportFailed, decoded, encoded
from ambs_hpc.launcher.supervisor.outcome import OUTCOME, RESULT
from ambs_hpc.launcher.supervisor.progress.report_lines import REPORTS
from ambs_hpc.launcher.supervisor.spawn import REQUEST

STARTED, STOP, UNLOADABLE = ".ambs-started", ".ambs-stop", ".ambs-unloadable"  # no program's own names
ENDED = "ended"
HEARTBEAT_SECONDS = 5.0  # between two touches of STARTED
SILENT_SECONDS = 30.0  # after which whoever made it is dead; a shared file system may be late
End = AttemptReport | ImportFailed  # how an attempt ended


def has_request(folder: str) -> bool:
    """Whether the attempt was handed over before."""
    return os.path.exists(f"{folder}/{REQUEST}")  # noqa: PTH110  once for every evaluation


def clear(folder: str, run_directory: str, key: tuple[int, int]) -> None:
    """Nothing of an earlier attempt of the same key is left that could be taken for this one's."""
    mine = [f"{folder}/{name}" for name in (STARTED, STOP, UNLOADABLE, OUTCOME, RESULT, REPORTS)]
    for file in (*mine, _end_file(run_directory, *key)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(file)  # noqa: PTH108  once for every evaluation


def take(folder: str, now: float) -> bool:
    """Make the attempt the caller's: only one ever can. The file says when, in seconds since 1970."""
    try:
        descriptor = os.open(f"{folder}/{STARTED}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return False
    os.write(descriptor, f"{now}\n".encode())
    os.close(descriptor)
    return True


def heartbeat(folder: str) -> None:
    """Say that the attempt lives, by the file system's own clock."""
    os.utime(f"{folder}/{STARTED}")


def heartbeat_at(folder: str) -> float | None:
    """When it was last said, by the file system's clock; None when it has not begun."""
    try:
        return os.stat(f"{folder}/{STARTED}").st_mtime  # noqa: PTH116  as above
    except FileNotFoundError:
        return None


def ask_to_stop(folder: str, grace_seconds: float) -> None:
    """TERM to the attempt as soon as it looks, KILL after the grace; the last asked counts."""
    _write(f"{folder}/{STOP}", repr(float(grace_seconds)).encode())


def call_off(folder: str, now: float) -> None:
    """An attempt that was handed over never begins, or is asked to stop; `now` in seconds since 1970.

    Nothing happens where its folder cannot be written: a late result is fenced by its attempt all the same.
    """
    with contextlib.suppress(OSError):
        if has_request(folder) and not take(folder, now):
            ask_to_stop(folder, 0.0)


def asked_to_stop(folder: str) -> float | None:
    """The grace, when it is to stop."""
    said = _read(f"{folder}/{STOP}")
    return None if said is None else float(said)


def tell_end(run_directory: str, key: tuple[int, int], end: End) -> None:
    """Leave how an attempt, by (id, attempt), ended where the launcher looks."""
    folder = f"{run_directory}/{ENDED}"
    os.makedirs(folder, exist_ok=True)  # noqa: PTH103  as above
    _write(_end_file(run_directory, *key), encoded(end))


def told_ends(run_directory: str) -> dict[tuple[int, int], str]:
    """The file of each (id, attempt) that has ended."""
    found = {}
    try:
        names = os.listdir(f"{run_directory}/{ENDED}")  # noqa: PTH208  several times a second
    except FileNotFoundError:
        return {}
    for name in names:
        evaluation_id, _, attempt = name.partition(".")
        if evaluation_id.isdigit() and attempt.isdigit():
            found[int(evaluation_id), int(attempt)] = f"{run_directory}/{ENDED}/{name}"
    return found


def read_end(file: str) -> End | None:
    """What one of them says; None when it is not there, or says nothing that we know."""
    text = _read(file)
    if text is None:
        return None
    try:
        said = decoded(text)
    except ValueError:
        return None
    return said if isinstance(said, AttemptReport | ImportFailed) else None


def clock_of(folder: str) -> float:
    """The present time by the clock of the file system that holds `folder`."""
    file = f"{folder}/.clock.{os.getpid()}"
    with open(file, "w"):  # noqa: PTH123
        pass
    try:
        return os.stat(file).st_mtime  # noqa: PTH116
    finally:
        os.unlink(file)  # noqa: PTH108


def _end_file(run_directory: str, evaluation_id: int, attempt: int) -> str:
    return f"{run_directory}/{ENDED}/{evaluation_id}.{attempt}"


def _write(file: str, content: bytes) -> None:
    folder, _, name = file.rpartition("/")
    temporary = f"{folder}/.{name}.{os.getpid()}"
    with open(temporary, "wb") as writer:  # noqa: PTH123
        writer.write(content)
    os.replace(temporary, file)  # noqa: PTH105


def _read(file: str) -> bytes | None:
    try:
        with open(file, "rb") as reader:  # noqa: PTH123
            return reader.read()
    except FileNotFoundError:
        return None
