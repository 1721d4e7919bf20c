"""A trainer that calls its callbacks as Lightning 2.6 does: compared with it by hand, hook by hook."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

from lightning.pytorch.utilities.exceptions import SIGTERMException

# The first attempt is to be ended in its middle.
STEP_SECONDS = 0.2 if os.environ.get("AMBS_ATTEMPT") == "1" else 0.0


class Trainer:
    """Takes steps; TERM raises SIGTERMException after one of them, and again after `on_exception`."""

    def __init__(self, max_epochs: int, callbacks: list[object]) -> None:
        self.max_steps, self.callbacks = 3 * max_epochs, callbacks
        self.global_step, self.is_global_zero, self.sanity_checking = 0, True, False
        self.callback_metrics: dict[str, float] = {}
        self.state = SimpleNamespace(fn=None)
        self._got_term = False

    def fit(self, model: object, data: object, ckpt_path: str | None = None) -> None:
        self.state.fn = "fit"
        before = signal.signal(signal.SIGTERM, self._note)
        try:
            self._fit(model, ckpt_path)
        except BaseException as exception:
            self._call("on_exception", model, exception)
            raise
        finally:
            signal.signal(signal.SIGTERM, before)

    def validate(self, model: object, data: object) -> None:
        self.state.fn = "validate"
        self._validate(model)

    @property
    def current_epoch(self) -> int:
        """Of the step before: it ends with its epoch's validation."""
        return (self.global_step - 1) // 3

    def save_checkpoint(self, path: Path) -> None:
        path.write_text(json.dumps({"global_step": self.global_step}))

    def _fit(self, model: object, ckpt_path: str | None) -> None:
        if ckpt_path is not None:
            self.global_step = json.loads(Path(ckpt_path).read_text())["global_step"]
        is_resumed_at_the_end = self.global_step == self.max_steps
        while self.global_step < self.max_steps:
            time.sleep(STEP_SECONDS)
            print("step", self.global_step, flush=True)
            self.global_step += 1
            if self._got_term:
                raise SIGTERMException
        if not is_resumed_at_the_end:
            self._validate(model)
        self._call("on_fit_end", model)

    def _validate(self, model: object) -> None:
        self.callback_metrics["val_loss"] = 0.25
        self._call("on_validation_end", model)

    def _call(self, hook: str, *arguments: object) -> None:
        for callback in self.callbacks:
            getattr(callback, hook)(self, *arguments)

    def _note(self, *_: object) -> None:
        self._got_term = True
