"""What a training framework's callback asks of the evaluation around it, and tells it; needs no framework."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from ambs_hpc.errors import UsageError
from ambs_hpc.launcher.supervisor.progress.report_function import report

STEPS = ("epoch", "global_step")  # what the steps of reports may count
# An exit by TERM, as a shell tells it: the launcher takes it for an interruption, never for a result.
TERMINATED_STATUS = 128 + signal.SIGTERM


def is_in_evaluation() -> bool:
    """Whether a launcher started this process, or one above it, for an evaluation."""
    return "AMBS_CHECKPOINT_DIR" in os.environ and "AMBS_RESULT" in os.environ


def checkpoint_folder(otherwise: str | os.PathLike[str] = "checkpoints") -> str:
    """The folder that all attempts of this evaluation share, made; outside of an evaluation `otherwise`."""
    folder = os.environ["AMBS_CHECKPOINT_DIR"] if is_in_evaluation() else os.fspath(otherwise)
    Path(folder).mkdir(parents=True, exist_ok=True)
    return folder


def shared_folder() -> Path | None:
    """The folder that all attempts of this evaluation share, made or not; None outside of an evaluation."""
    return Path(os.environ["AMBS_CHECKPOINT_DIR"]) if is_in_evaluation() else None


def write_objective(value: object) -> None:
    """Leave the objective where a command's result is read; the last one written counts.

    Raises:
        UsageError: it is not one number.
    """
    try:
        objective = float(value)  # type: ignore[arg-type]  # numbers of any library, float says which are
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"the objective {value!r} is not one number ({error})") from error
    file = Path(os.environ["AMBS_RESULT"])
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    temporary.write_text(json.dumps({"objective": objective}))
    temporary.replace(file)


def checked_step(step: str) -> str:
    """What steps of reports count.

    Raises:
        UsageError: it is none of STEPS.
    """
    if step not in STEPS:
        raise UsageError(f"AmbsCallback(step={step!r}): accepted are {', '.join(map(repr, STEPS))}")
    return step


def report_objective(step: float, value: object) -> None:
    """Report what was measured after `step`; nothing where that is no whole number, as within an epoch."""
    if float(step).is_integer():
        report(int(step), value)


def publish(part: Path, checkpoint: Path) -> None:
    """Give a finished checkpoint, a file or a folder, its name, and remove the older ones beside it.

    A kill at any moment leaves a whole one. `PREFIX-STEP.SUFFIX` is the form of their names.
    """
    if checkpoint.exists():  # of an attempt that was ended before its first step: the same state
        _remove(part)
        return
    part.rename(checkpoint)
    prefix = checkpoint.name.partition("-")[0]
    for other in checkpoint.parent.glob(f"{prefix}-*{checkpoint.suffix}"):
        if other != checkpoint:
            _remove(other)


class TermNotice:
    """Whether TERM has come; what it would have done otherwise is left to whoever asks."""

    def __init__(self) -> None:
        self.has_come = False
        self._before: Callable[[int, FrameType | None], object] | int | None = None
        self.is_watching = False

    def watch(self) -> None:
        """Take TERM from now on; a handler that was there is called as well.

        Raises:
            UsageError: this is not the main thread, the only one in which Python takes signals.
        """
        if self.is_watching:
            return
        if threading.current_thread() is not threading.main_thread():
            raise UsageError(
                "training runs in a thread, where Python takes no signals, so that nothing could be saved "
                "at the end of an allocation. Train in the main thread, or leave the callback out"
            )
        self._before = signal.signal(signal.SIGTERM, self._came)
        self.is_watching = True

    def unwatch(self) -> None:
        """Leave TERM to what handled it before."""
        if self.is_watching:
            signal.signal(signal.SIGTERM, self._before)
            self.is_watching = False

    def _came(self, number: int, frame: FrameType | None) -> None:
        self.has_come = True
        if callable(self._before):
            self._before(number, frame)


@contextlib.contextmanager
def leaving_words_of(field: str) -> Iterator[None]:
    """Name the callback's argument in an error about the value that it led to."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{field}: {error}") from error


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
