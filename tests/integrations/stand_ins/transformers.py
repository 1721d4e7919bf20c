"""A trainer that calls its callbacks as that of transformers 5.24 does: compared with it by hand."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

# The first attempt is to be ended in its middle.
STEP_SECONDS = 0.2 if os.environ.get("AMBS_ATTEMPT") == "1" else 0.0


class TrainerCallback:
    """Does nothing, at the events that ours takes."""

    def on_train_begin(self, args, state, control, **kwargs): ...

    def on_step_end(self, args, state, control, **kwargs): ...

    def on_evaluate(self, args, state, control, **kwargs): ...

    def on_save(self, args, state, control, **kwargs): ...

    def on_train_end(self, args, state, control, **kwargs): ...


class TrainingArguments(SimpleNamespace):
    """What is given, and how many ranks there are."""

    world_size = 1


class Trainer:
    """Takes 20 steps an epoch, and saves after one of them when a callback's control says so."""

    def __init__(self, model, args, train_dataset, eval_dataset, callbacks):
        self.args, self.max_steps, self.callbacks = args, 20 * args.num_train_epochs, callbacks
        self.state = SimpleNamespace(global_step=0, epoch=0.0, is_world_process_zero=True)
        self.control = SimpleNamespace(should_save=False, should_evaluate=False, should_log=False)

    def train(self, resume_from_checkpoint: str | None = None) -> None:
        if resume_from_checkpoint is not None:
            saved = json.loads((Path(resume_from_checkpoint) / "trainer_state.json").read_text())
            self.state.global_step = saved["global_step"]
        self._call("on_train_begin")
        while self.state.global_step < self.max_steps:
            time.sleep(STEP_SECONDS)
            print("step", self.state.global_step, flush=True)
            self.state.global_step += 1
            self.state.epoch = self.state.global_step / 20
            self.control.should_evaluate = self.state.global_step == self.max_steps
            self._call("on_step_end")
            if self.control.should_evaluate:
                self._call("on_evaluate", metrics={"eval_loss": 0.25})
            if self.control.should_save:
                self._save()
        self._call("on_train_end")

    def _save(self) -> None:
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        folder.mkdir(parents=True)
        (folder / "model").write_text("")
        (folder / "trainer_state.json").write_text(json.dumps({"global_step": self.state.global_step}))
        self.control.should_save = False
        self._call("on_save")

    def _call(self, event: str, **kwargs: object) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self.args, self.state, self.control, **kwargs)
