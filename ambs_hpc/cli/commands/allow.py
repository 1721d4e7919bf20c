"""`ambs allow`: let this user's launchers run a problem's objective."""

from __future__ import annotations

import typer

from ambs_hpc.cli.shared.options import ProblemFile


def allow_problem(problem: ProblemFile) -> None:
    """Register the objective of PROBLEM; `ambs run` and `ambs search` do so by themselves."""
    from ambs_hpc.problem import load_problem
    from ambs_hpc.problem.allow_list import allow, allow_list_file

    loaded = load_problem(problem)
    allow(loaded.problem.objective_json, str(loaded.directory))
    typer.echo(f"Registered in {allow_list_file()}")
