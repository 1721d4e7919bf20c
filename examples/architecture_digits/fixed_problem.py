"""The same training with two layers of 64 units, so that only hyperparameters are searched."""

from model import HYPERPARAMETERS

from ambs_hpc import Problem, Resources

problem = Problem(
    name="two-layers",
    space=HYPERPARAMETERS,
    objective="model:train_two_layers",
    resources=Resources(cores=1),
    time_limit_seconds=60,
    starting_points=[{"learning_rate": 3e-3, "batch_size": 64, "decay": 1e-4, "dropout": 0.2}],
)
