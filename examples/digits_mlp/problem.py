"""Hyperparameters of a small network on handwritten digits: `ambs run examples/digits_mlp/problem.py`."""

from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float, Integer

from ambs_hpc import Problem, Resources

space = ConfigurationSpace()
solver = Categorical("solver", ["adam", "sgd"], default="sgd")
momentum = Float("momentum", (0.0, 0.99), default=0.9)
beta_1 = Float("beta_1", (0.5, 0.99), default=0.9)
space.add(
    solver,
    momentum,
    beta_1,
    Integer("layers", (1, 4), default=1),
    Integer("units", (4, 128), log=True, default=32),
    Categorical("activation", ["relu", "tanh", "logistic"], default="relu"),
    Float("learning_rate", (1e-5, 1.0), log=True, default=1e-3),
    Float("alpha", (1e-6, 10.0), log=True, default=1e-4),
    Integer("batch_size", (64, 512), log=True, default=128),  # small ones take long
)
space.add(EqualsCondition(momentum, solver, "sgd"), EqualsCondition(beta_1, solver, "adam"))

problem = Problem(
    name="digits",
    space=space,
    objective="model:train",
    direction="maximize",
    resources=Resources(cores=1),
    time_limit_seconds=60,
    starting_points=[dict(space.get_default_configuration())],  # what the search has to beat
)
