"""The problem: the space, the objective, and the resources of one evaluation."""

from ambs_hpc.problem.containers.container import Container
from ambs_hpc.problem.definition import Problem
from ambs_hpc.problem.objective import Command
from ambs_hpc.problem.problem_file import load_problem
from ambs_hpc.problem.space import build_space

__all__ = ["Command", "Container", "Problem", "build_space", "load_problem"]
