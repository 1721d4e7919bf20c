"""Loading of problem files; an error names file, line, field and remedy."""

from __future__ import annotations

import re
import runpy
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from ambs_hpc.errors import ProblemError, nearest
from ambs_hpc.problem.definition import Problem, accepted_fields
from ambs_hpc.problem.objective import check_objective_exists
from ambs_hpc.problem.run_file import KeptOpen, exits_told


@dataclass(frozen=True)
class LoadedProblem:
    """A problem and the file that defines it."""

    problem: Problem
    file: Path

    @property
    def directory(self) -> Path:
        """The folder in which the objective's modules and programs are searched."""
        return self.file.parent


def load_problem(file: Path) -> LoadedProblem:
    """Execute the problem file and take its module-level `problem`; what it prints goes to stderr.

    Raises:
        ProblemError: the file is missing or raises, holds no `problem`, or the objective does not exist.
    """
    file = file.absolute()
    if not file.is_file():
        is_there = "is a pipe or a device" if file.exists() else "does not exist"
        seen = "is a folder" if file.is_dir() else is_there
        raise ProblemError(
            str(file), "file", seen, "Give the Python file that defines `problem = Problem(...)`"
        )
    problem = _find_problem(file, _execute(file))
    try:
        check_objective_exists(problem.objective_json, file.parent)
    except ProblemError as error:
        raise _placed(error, str(file)) from error
    return LoadedProblem(problem, file)


def _execute(file: Path) -> dict[str, object]:
    sys.path.insert(0, str(file.parent))
    try:
        # Of a command with --json, stdout is for JSON alone; and what the file closes or ends stays ours.
        with redirect_stdout(KeptOpen(sys.stderr)), redirect_stderr(KeptOpen(sys.stderr)), exits_told():
            return runpy.run_path(str(file))
    except ProblemError as error:
        raise _placed(error, _place(file, error)) from error
    except SystemExit as error:
        remedy = "Guard what the file runs by `if __name__ == '__main__':`"
        raise ProblemError(str(file), "file", f"ends the program ({error})", remedy) from error
    except Exception as error:  # a user's file may raise anything
        raise _from_user_code(file, error) from error
    finally:
        sys.path.remove(str(file.parent))


def _find_problem(file: Path, names: dict[str, object]) -> Problem:
    problem = names.get("problem")
    if isinstance(problem, Problem):
        return problem
    if problem is not None:
        seen = f"is a {type(problem).__name__}"
        raise ProblemError(str(file), "problem", seen, "Assign an ambs_hpc.Problem to it")
    others = [name for name, value in names.items() if isinstance(value, Problem)]
    remedy = f"Rename `{others[0]}` to `problem`" if others else "Write `problem = Problem(name=..., ...)`"
    raise ProblemError(str(file), "problem", "is not defined at module level", remedy)


def _from_user_code(file: Path, error: Exception) -> ProblemError:
    where = _place(file, error)
    unexpected = re.search(r"Problem\.__init__\(\) got an unexpected keyword argument '(\w+)'", str(error))
    if unexpected:
        name = unexpected.group(1)
        return ProblemError(where, name, "is not a field of Problem", nearest(name, accepted_fields()))
    missing = re.search(r"Problem\.__init__\(\) missing \d+ required \S+ arguments?: (.*)", str(error))
    if missing:
        names = missing.group(1).replace("'", "")
        return ProblemError(where, names, "is missing in Problem(...)", f"Give {names}")
    seen = f"raised {type(error).__name__}: {error}"
    return ProblemError(where, "file", seen, "Correct the file; `python FILE` shows the whole traceback")


def _place(file: Path, error: BaseException) -> str:
    """`file:line` of the innermost frame in the user's file."""
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return f"{file}:{error.lineno}"
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)
    ]
    return f"{file}:{lines[-1]}" if lines else str(file)


def _placed(error: ProblemError, where: str) -> ProblemError:
    return ProblemError(where, error.field, error.seen, error.remedy)
