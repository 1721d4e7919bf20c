"""A callback for Lightning: saves at TERM, resumes in the next attempt, leaves a metric as the objective."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

try:
    from lightning.pytorch.callbacks import Callback
    from lightning.pytorch.utilities.exceptions import SIGTERMException
except ModuleNotFoundError as error:
    try:  # the same framework under its other name
        from pytorch_lightning.callbacks import Callback
        from pytorch_lightning.utilities.exceptions import SIGTERMException
    except ModuleNotFoundError:
        raise ModuleNotFoundError(f"{error}. Install it: pip install 'ambs-hpc[lightning]'") from None

from ambs_hpc.errors import UsageError
from ambs_hpc.integrations.evaluation_context import (
    TERMINATED_STATUS,
    checked_step,
    checkpoint_folder,
    is_in_evaluation,
    leaving_words_of,
    publish,
    report_objective,
    shared_folder,
    write_objective,
)

__all__ = ["AmbsCallback", "checkpoint_path"]

logger = logging.getLogger(__name__)


def checkpoint_path() -> str | None:
    """What to give to `Trainer.fit(ckpt_path=...)`: the checkpoint of an earlier attempt.

    None in the first attempt, and outside of an evaluation.
    """
    folder = shared_folder()
    found = [] if folder is None else sorted(folder.glob("ambs-*.ckpt"))
    return str(found[-1]) if found else None


class AmbsCallback(Callback):  # type: ignore[misc]  # untyped where Lightning is not installed
    """Makes a training resumable by the next attempt of its evaluation; does nothing outside of one.

    TERM, which the launcher sends before an allocation ends, lets Lightning stop after the batch that runs.
    Then the trainer's whole state is saved in the folder that all attempts share, and the program exits with
    the status of TERM, so that the evaluation counts as interrupted and not as failed or done.

    Args:
        monitor: name of a logged metric; its value at the end of `Trainer.fit`, and of `Trainer.validate`
            after it, is left as the objective of an evaluation that is a command. None leaves nothing: a
            function returns its objective itself. After each validation of `Trainer.fit` it is reported.
        step: what the steps of these reports count: "epoch", the epochs done, or "global_step". Of several
            validations in an epoch the first one is its report.

    Raises:
        UsageError: `step` is something else.
    """

    def __init__(self, monitor: str | None = None, step: str = "epoch") -> None:
        super().__init__()
        self._monitor, self._step = monitor, checked_step(step)
        self._has_validated = False

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Save, when it was TERM that ended the training; all ranks come here after the same batch."""
        if not isinstance(exception, SIGTERMException) or not is_in_evaluation():
            return
        checkpoint = Path(checkpoint_folder()) / f"ambs-{trainer.global_step:012d}.ckpt"
        part = checkpoint.with_suffix(".part")
        trainer.save_checkpoint(part)
        if trainer.is_global_zero:
            publish(part, checkpoint)
        exception.code = TERMINATED_STATUS  # Lightning raises it again: a SystemExit

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Report it, and leave it as the objective after `Trainer.validate`.

        Raises:
            UsageError: no such metric was logged, or it is not one number.
        """
        if trainer.sanity_checking:
            return
        self._has_validated = True
        if trainer.state.fn == "fit" and trainer.is_global_zero and self._monitor in trainer.callback_metrics:
            steps = trainer.current_epoch + 1 if self._step == "epoch" else trainer.global_step
            report_objective(steps, trainer.callback_metrics[self._monitor])
        if trainer.state.fn == "validate":
            self._leave(trainer)

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """Leave the objective.

        Raises:
            UsageError: no such metric was logged, or it is not one number.
        """
        if self._monitor in trainer.callback_metrics or self._has_validated:
            self._leave(trainer)
        elif self._monitor is not None and is_in_evaluation():
            # The attempt before was ended within the last validation, which Lightning does not repeat.
            logger.warning(
                "AmbsCallback(monitor=%r): nothing was validated in this attempt. Call Trainer.validate "
                "after Trainer.fit, which then leaves the objective",
                self._monitor,
            )

    def _leave(self, trainer: Any) -> None:
        if self._monitor is None or not is_in_evaluation() or not trainer.is_global_zero:
            return
        metrics = trainer.callback_metrics
        if self._monitor not in metrics:
            raise UsageError(
                f"AmbsCallback(monitor={self._monitor!r}): no such metric was logged. "
                f"Logged: {', '.join(sorted(metrics)) or 'none; call self.log(name, value)'}"
            )
        with leaving_words_of(f"AmbsCallback(monitor={self._monitor!r})"):
            write_objective(metrics[self._monitor])
