"""A training on the stand-in of transformers."""

from transformers import Trainer

from ambs_hpc.integrations.transformers import AmbsCallback, checkpoint_folder, checkpoint_path

trainer = Trainer(60, checkpoint_folder("out"), [AmbsCallback(monitor="loss")])
trainer.train(resume_from_checkpoint=checkpoint_path())
