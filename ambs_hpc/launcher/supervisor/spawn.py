"""Start a command in a process, session and folder of its own."""

from __future__ import annotations

import errno
import functools
import os
import shutil
import stat
import time
from pathlib import Path

from ambs_hpc.launcher.supervisor.messages import StartRequest, to_json
from ambs_hpc.launcher.supervisor.running_attempt import RunningAttempt

REQUEST = ".ambs-request.json"  # read by `function_main`, and by Balsam's child
LOG_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW  # a link may lead to any file of ours
LOG_MODE = 0o644
# By a program: posix_spawn cannot, and a fork of ours that runs Python before it executes costs more.
PARENT_DEATH_SIGNAL = ("setpriv", "--pdeathsig", "KILL")


def start_command(request: StartRequest, *, dies_with_us: bool = True) -> RunningAttempt:
    """Start the command of `request`, whose folder exists.

    Args:
        dies_with_us: the kernel kills its process when this one dies, however that happens; at the cost of
            one more start of a program, 1 ms.

    Raises:
        OSError: the program is missing or cannot be executed, or the folder cannot be written.
    """
    if request.reads_request:
        Path(request.folder, REQUEST).write_text(to_json(request))
    started_at = time.time()
    return RunningAttempt.now(request, _spawn(request, dies_with_us=dies_with_us), started_at)


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


def _spawn(request: StartRequest, *, dies_with_us: bool) -> int:
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
        arguments = _dying_with_us(request.arguments) if dies_with_us else request.arguments
        return os.posix_spawnp(
            arguments[0],
            arguments,
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


def _dying_with_us(arguments: list[str]) -> list[str]:
    """The command behind PARENT_DEATH_SIGNAL, where there is such a program.

    Raises:
        OSError: the command's own program is missing or no program, which would else be that one's to say.
    """
    setter = _parent_death_setter()
    if setter is None:
        return arguments
    program = shutil.which(arguments[0])
    if program is None:
        if "/" in arguments[0]:
            os.stat(arguments[0])  # noqa: PTH116  raises what the file system says: `which` hides it
        number = errno.EACCES if os.path.exists(arguments[0]) else errno.ENOENT  # noqa: PTH110
        raise OSError(number, os.strerror(number), arguments[0])
    return [*setter, program, *arguments[1:]]


@functools.cache
def _parent_death_setter() -> tuple[str, ...] | None:
    """PARENT_DEATH_SIGNAL with its path; None where it is missing, or too old to know the option."""
    setter, *options = PARENT_DEATH_SIGNAL
    path = shutil.which(setter)
    if path is None:
        return None
    quietly = [(os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
    pid = os.posix_spawn(path, [path, *options, "true"], os.environ, file_actions=quietly)
    return (path, *options) if os.waitpid(pid, 0)[1] == 0 else None


@functools.cache
def _inherited() -> dict[bytes, bytes]:
    """The environment that the supervisor was started with, encoded once: decoding it per command is slow."""
    return dict(os.environb)
