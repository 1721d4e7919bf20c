"""A training on the transformers that is installed."""

import os
import time

import torch
from transformers import PretrainedConfig, PreTrainedModel, Trainer, TrainerCallback, TrainingArguments

from ambs_hpc.integrations.transformers import AmbsCallback, checkpoint_folder, checkpoint_path

# The first attempt is to be ended in its middle.
STEP_SECONDS = 0.2 if os.environ.get("AMBS_ATTEMPT") == "1" else 0.0


class LineConfig(PretrainedConfig):
    model_type = "line"


class Line(PreTrainedModel):
    config_class = LineConfig

    def __init__(self, config):
        super().__init__(config)
        self.line = torch.nn.Linear(1, 1)
        self.post_init()

    def forward(self, x=None, labels=None):
        predicted = self.line(x)
        return {"loss": ((predicted - labels) ** 2).mean(), "logits": predicted}


class Saying(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        time.sleep(STEP_SECONDS)
        print("step", state.global_step - 1, flush=True)


data = [{"x": x, "labels": x} for x in torch.linspace(-1, 1, 20).unsqueeze(1)]
arguments = TrainingArguments(
    output_dir=checkpoint_folder("out"),
    num_train_epochs=3,
    per_device_train_batch_size=1,
    eval_strategy="epoch",
    save_strategy="no",
    report_to=[],
    use_cpu=True,
    disable_tqdm=True,
)
trainer = Trainer(
    model=Line(LineConfig()),
    args=arguments,
    train_dataset=data,
    eval_dataset=data,
    callbacks=[Saying(), AmbsCallback(monitor="loss")],
)
trainer.train(resume_from_checkpoint=checkpoint_path())
