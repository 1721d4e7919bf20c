"""Architecture and hyperparameters together: `ambs run examples/architecture_digits/problem.py`."""

from model import ARCHITECTURE, TWO_LAYERS

from ambs_hpc import Problem, Resources

problem = Problem(
    name="architecture",
    space=ARCHITECTURE,
    objective="model:train",
    resources=Resources(cores=1),
    time_limit_seconds=60,
    starting_points=[
        ARCHITECTURE.encode(
            {"learning_rate": 3e-3, "batch_size": 64, "decay": 1e-4, "dropout": 0.2, **TWO_LAYERS}
        )
    ],
)
