"""Tune any executable, here a shell and awk program: `ambs run examples/command_line/problem.py`."""

from ambs_hpc import Command, Problem

problem = Problem(
    name="spring",
    space={
        "stiffness": (0.1, 100.0, "log"),
        "damping": (0.01, 10.0, "log"),
        "integrator": ["euler", "midpoint"],
    },
    objective=Command(["./spring.sh", "--stiffness={stiffness}", "--damping={damping}", "{integrator}"]),
    direction="minimize",
    time_limit_seconds=30,
    starting_points=[{"stiffness": 1.0, "damping": 1.0, "integrator": "euler"}],
)
