"""The folder of a problem that was made in a program, and the files that other processes need there."""

from __future__ import annotations

import os
import pprint
import secrets
from dataclasses import fields
from pathlib import Path

from ambs_hpc.errors import ProblemError, UsageError
from ambs_hpc.problem import Problem, load_problem
from ambs_hpc.problem.function_objective import FoundFunction, found_function
from ambs_hpc.problem.notebook_function import MARK
from ambs_hpc.problem.objective import check_objective_exists
from ambs_hpc.problem.problem_file import LoadedProblem

WRITTEN = '"""Written by ambs_hpc for `ambs search`; what it says was said in Python: change it there."""'
_PROBLEM_FILE = """{head}

from ambs_hpc import Command, Container, Problem, Resources
from ambs_hpc.problem.space import space_from_json

SPACE = {space}

problem = Problem(
    space=space_from_json(SPACE),
{arguments}
)
"""


def placed_problem(problem: object) -> LoadedProblem:
    """The problem and the folder of its evaluations; a notebook's function has its file there afterwards.

    Args:
        problem: a Problem, whose folder is that of the objective's module, else the current one; or the path
            of a problem file.

    Raises:
        ProblemError: the objective does not exist, or the file cannot be used.
        UsageError: it is neither.
    """
    if isinstance(problem, LoadedProblem):
        return problem
    if isinstance(problem, str | os.PathLike):
        return load_problem(Path(problem).expanduser())
    if not isinstance(problem, Problem):
        raise UsageError(
            f"Campaign(...): got a {type(problem).__name__}. Give an ambs_hpc.Problem, or the path of a "
            "problem file."
        )
    folder = Path.cwd()
    if callable(problem.objective):
        found = found_function(problem.objective)
        folder = found.folder or folder
        if found.text:
            _write_module(found)
    check_objective_exists(problem.objective_json, folder)
    return LoadedProblem(problem, folder / "a program")  # of the file only the folder counts


def problem_file(name: str, folder: Path) -> Path:
    """The file that `write_problem_file` writes."""
    return folder / f"{name}_problem.py"


def write_problem_file(problem: Problem, name: str, folder: Path) -> None:
    """Write the problem as a file that `ambs search` reads.

    Raises:
        UsageError: a file of that name is there and is a person's own.
    """
    given = {one.name: getattr(problem, one.name) for one in fields(problem) if one.name != "space"}
    given |= {"name": name, "objective": _written_objective(problem)}
    given["starting_points"] = [dict(point) for point in problem.starting_points]
    text = _PROBLEM_FILE.format(
        head=WRITTEN,
        space=pprint.pformat(problem.to_json()["space"], width=100, sort_dicts=False),
        arguments="\n".join(f"    {key}={value!r}," for key, value in given.items()),
    )
    _replace(problem_file(name, folder), text, WRITTEN)


def _written_objective(problem: Problem) -> object:
    if callable(problem.objective):
        return found_function(problem.objective).name
    return problem.objective


def _write_module(found: FoundFunction) -> None:
    try:
        _replace(found.file, found.text, MARK)
    except OSError as error:
        raise ProblemError(
            "problem",
            "objective",
            f"the notebook's function could not be written to {found.file}: {error}",
            "Change into a folder that you may write to (%cd FOLDER), and make the campaign there",
        ) from error


def _replace(file: Path, text: str, mark: str) -> None:
    """Write the file atomically, unless it is there with the same text.

    Raises:
        UsageError: there is another one, which we have not written.
    """
    if file.exists():
        before = file.read_text(errors="replace")
        if before == text:
            return
        if not before.startswith(mark):
            raise UsageError(
                f"{file} would be written, but there is one that this package has not written. "
                "Rename it, or give the campaign or the function another name."
            )
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    temporary.write_text(text)
    temporary.replace(file)
