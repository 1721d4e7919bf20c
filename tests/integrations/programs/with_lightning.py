"""A training on the stand-in of Lightning."""

from lightning.pytorch import Trainer

from ambs_hpc.integrations.lightning import AmbsCallback, checkpoint_path

trainer = Trainer(max_epochs=20, callbacks=[AmbsCallback(monitor="val_loss")])
trainer.fit(None, None, ckpt_path=checkpoint_path())
