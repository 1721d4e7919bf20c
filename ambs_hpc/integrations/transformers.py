"""A callback for Hugging Face's Trainer: saves at TERM, resumes, leaves a metric as the objective."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

try:
    from transformers import TrainerCallback
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f"{error}. Install it: pip install 'ambs-hpc[transformers]'") from None

from ambs_hpc.errors import UsageError
from ambs_hpc.integrations.evaluation_context import (
    TERMINATED_STATUS,
    TermNotice,
    checked_step,
    checkpoint_folder,
    is_in_evaluation,
    leaving_words_of,
    report_objective,
    shared_folder,
    write_objective,
)

__all__ = ["AmbsCallback", "checkpoint_folder", "checkpoint_path"]

logger = logging.getLogger(__name__)


def checkpoint_path() -> str | None:
    """What to give to `Trainer.train(resume_from_checkpoint=...)`: the last whole checkpoint of an attempt.

    None in the first attempt, and outside of an evaluation. One that was being written when its attempt was
    killed is passed over.
    """
    folder = shared_folder()
    found = [] if folder is None else [one for one in folder.rglob("checkpoint-*") if _is_whole(one)]
    return str(max(found, key=_step_of)) if found else None


class AmbsCallback(TrainerCallback):  # type: ignore[misc]  # untyped where transformers is not installed
    """Makes a training resumable by the next attempt of its evaluation; does nothing outside of one.

    TERM, which the launcher sends before an allocation ends, lets the trainer save a checkpoint after the
    step that runs. Then the program exits with the status of TERM, so that the evaluation counts as
    interrupted and not as failed or done. The trainer saves to `TrainingArguments.output_dir`, which has to
    be the folder that all attempts share: `output_dir=checkpoint_folder("out")`.

    Args:
        monitor: name of a metric of evaluations, with or without `eval_`; its last value is left as the
            objective of an evaluation that is a command. None leaves nothing: a function returns its
            objective itself. Each of its values is reported.
        step: what the steps of these reports count: "epoch", the epochs done, where an evaluation within an
            epoch is not reported, or "global_step".

    Raises:
        UsageError: `step` is something else.
    """

    def __init__(self, monitor: str | None = None, step: str = "epoch") -> None:
        self._monitor, self._step = monitor, checked_step(step)
        self._notice = TermNotice()
        self._seen: set[str] = set()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take TERM from now on.

        Raises:
            UsageError: checkpoints would be lost with the attempt.
        """
        folder = shared_folder()
        if folder is None:
            return
        if not Path(args.output_dir).resolve().is_relative_to(folder.resolve()):
            raise UsageError(
                f"TrainingArguments.output_dir is {args.output_dir!r}, which the next attempt does not find. "
                "Write output_dir=checkpoint_folder('out'), "
                "from ambs_hpc.integrations.transformers import checkpoint_folder"
            )
        self._notice.watch()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Save, and nothing else, when TERM has come to any rank."""
        if is_in_evaluation() and self._has_come(args):
            control.should_save, control.should_evaluate, control.should_log = True, False, False

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Leave the objective, report it, and save when TERM has come meanwhile.

        Raises:
            UsageError: the metric is not one number.
        """
        if not is_in_evaluation():
            return
        metrics = kwargs.get("metrics") or {}
        self._seen |= set(metrics)
        name = next((one for one in (self._monitor, f"eval_{self._monitor}") if one in metrics), None)
        if name is not None and state.is_world_process_zero:
            with leaving_words_of(f"AmbsCallback(monitor={self._monitor!r})"):
                write_objective(metrics[name])
            report_objective(state.epoch if self._step == "epoch" else state.global_step, metrics[name])
        if self._notice.is_watching and self._has_come(args):
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """End the program when what was saved is what TERM asked for."""
        if self._notice.is_watching and self._has_come(args):
            raise SystemExit(TERMINATED_STATUS)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Leave TERM to what handled it before."""
        self._notice.unwatch()
        if (
            self._monitor is not None
            and self._seen
            and not self._seen
            & {
                self._monitor,
                f"eval_{self._monitor}",
            }
        ):
            logger.warning(
                "AmbsCallback(monitor=%r): no evaluation had such a metric; they had: %s",
                self._monitor,
                ", ".join(sorted(self._seen)),
            )

    def _has_come(self, args: Any) -> bool:
        """Whether TERM has come to any rank: they save the same step, or wait for each other for ever."""
        if args.world_size == 1:
            return self._notice.has_come
        import torch

        has_come = torch.tensor(int(self._notice.has_come), device=args.device)
        torch.distributed.all_reduce(has_come, op=torch.distributed.ReduceOp.MAX)
        return bool(has_come.item())


def _step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _is_whole(checkpoint: Path) -> bool:
    """Whether its last file was written: the trainer's state."""
    try:
        json.loads((checkpoint / "trainer_state.json").read_text())
    except (OSError, ValueError):
        return False
    return checkpoint.name.rpartition("-")[2].isdecimal()
