"""A training on the stand-in of Lightning."""

from lightning.pytorch import Trainer

from ambs_hpc.integrations.lightning import AmbsCallback, checkpoint_path

trainer = Trainer(max_steps=60, callbacks=[AmbsCallback(monitor="val_loss")])
trainer.fit(None, ckpt_path=checkpoint_path())
