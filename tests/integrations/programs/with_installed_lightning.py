"""A training on the Lightning that is installed."""

import os
import time

import lightning.pytorch as pl
import torch

from ambs_hpc.integrations.lightning import AmbsCallback, checkpoint_path

# The first attempt is to be ended in its middle.
STEP_SECONDS = 0.2 if os.environ.get("AMBS_ATTEMPT") == "1" else 0.0


class Line(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(1, 1)

    def training_step(self, batch, index):
        time.sleep(STEP_SECONDS)
        print("step", self.global_step, flush=True)
        return self._loss(batch)

    def validation_step(self, batch, index):
        self.log("val_loss", self._loss(batch))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)

    def _loss(self, batch):
        return ((self.line(batch[0]) - batch[0]) ** 2).mean()


data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.linspace(-1, 1, 20).unsqueeze(1)))
trainer = pl.Trainer(
    max_epochs=3,
    accelerator="cpu",
    callbacks=[AmbsCallback(monitor="val_loss")],
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
    logger=False,
    num_sanity_val_steps=0,
)
trainer.fit(Line(), data, data, ckpt_path=checkpoint_path())
