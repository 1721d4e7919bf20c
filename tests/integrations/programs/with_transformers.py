"""A training on the stand-in of transformers."""

from transformers import Trainer, TrainingArguments

from ambs_hpc.integrations.transformers import AmbsCallback, checkpoint_folder, checkpoint_path

arguments = TrainingArguments(output_dir=checkpoint_folder("out"), num_train_epochs=3)
trainer = Trainer(None, arguments, None, None, callbacks=[AmbsCallback(monitor="loss")])
trainer.train(resume_from_checkpoint=checkpoint_path())
