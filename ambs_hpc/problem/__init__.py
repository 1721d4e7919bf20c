"""What is searched, what is run, and what one run occupies."""

from ambs_hpc.problem.definition import Problem
from ambs_hpc.problem.objective import Command
from ambs_hpc.problem.problem_file import load_problem
from ambs_hpc.problem.space import build_space

__all__ = ["Command", "Problem", "build_space", "load_problem"]
