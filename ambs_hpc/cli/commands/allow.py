"""`ambs allow`: let this user's launchers run a problem's objective."""

from __future__ import annotations

from pathlib import Path

from ambs_hpc.cli.commands.run import RunRoot
from ambs_hpc.cli.shared.options import ProblemFile
from ambs_hpc.cli.shared.terminal import echo


def allow_problem(problem: ProblemFile, runs: RunRoot = Path("ambs-runs")) -> None:
    """Register the objective of PROBLEM and the folder of its runs, as `run` and `search` do themselves."""
    from ambs_hpc.problem import load_problem
    from ambs_hpc.problem.allow_list import allow, allow_list_file, allow_runs

    loaded = load_problem(problem)
    allow(loaded.problem.objective_json, str(loaded.directory))
    allow_runs(str(runs.absolute()))
    echo(f"Registered in {allow_list_file()}")
