"""Start a command in a process, session and folder of its own."""

from __future__ import annotations

import functools
import os
import stat
import time
from pathlib import Path

from ambs_hpc.launcher.supervisor.messages import StartRequest, to_json
from ambs_hpc.launcher.supervisor.running_attempt import RunningAttempt

REQUEST = ".ambs-request.json"  # read by `function_main`, and by Balsam's child
LOG_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW  # a link may lead to any file of ours
LOG_MODE = 0o644


def start_command(request: StartRequest) -> RunningAttempt:
    """Start the command of `request`, whose folder exists.

    Raises:
        OSError: the program is missing or cannot be executed, or the folder cannot be written.
    """
    if request.reads_request:
        Path(request.folder, REQUEST).write_text(to_json(request))
    started_at = time.time()
    return RunningAttempt.now(request, _spawn(request), started_at)


def make_new_folder(folder: str) -> None:
    """Make the attempt's folder; whatever stood there, which is of another attempt, is moved aside.

    Raises:
        OSError: it cannot be made.
    """
    try:
        os.mkdir(folder)  # noqa: PTH102  once for every evaluation: a Path costs more than the call
    except FileNotFoundError:
        Path(folder).parent.mkdir(parents=True, exist_ok=True)
        os.mkdir(folder)  # noqa: PTH102
    except FileExistsError:
        os.rename(folder, f"{folder}.{time.time_ns()}")  # noqa: PTH104
        os.mkdir(folder)  # noqa: PTH102


def make_folder(folder: str) -> None:
    """Make the attempt's folder; usually only it and its parent are missing.

    Raises:
        OSError: it cannot be made, or belongs to somebody else.
    """
    try:
        os.mkdir(folder)  # noqa: PTH102  once for every evaluation: a Path costs more than the call
    except FileNotFoundError:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        pass
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise PermissionError(f"{folder} exists and is no folder of this user's: files in it may be traps")


def _spawn(request: StartRequest) -> int:
    """Start a command by posix_spawn: half the cost of a fork that runs Python before it executes.

    It knows neither folder nor affinity: the command inherits both from us.
    """
    assert request.arguments is not None
    before = os.sched_getaffinity(0)
    os.chdir(request.folder)
    if request.cores:
        os.sched_setaffinity(0, request.cores)
    own = {os.fsencode(name): os.fsencode(value) for name, value in request.environment.items()}
    try:
        return os.posix_spawnp(
            request.arguments[0],
            request.arguments,
            {**_inherited(), **own},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, "stdout", LOG_FLAGS, LOG_MODE),
                (os.POSIX_SPAWN_OPEN, 2, "stderr", LOG_FLAGS, LOG_MODE),
            ],
            setsid=True,
        )
    finally:
        os.sched_setaffinity(0, before)


@functools.cache
def _inherited() -> dict[bytes, bytes]:
    """The environment that the supervisor was started with, encoded once: decoding it per command is slow."""
    return dict(os.environb)
