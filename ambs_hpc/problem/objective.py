"""The objective of an evaluation: a Python function by name, or any command; as data, never as code."""

from __future__ import annotations

import hashlib
import importlib.machinery
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ambs_hpc.errors import ProblemError, nearest
from ambs_hpc.problem.containers.container import image_path
from ambs_hpc.problem.function_objective import found_function

PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Command:
    """A command line whose entries may hold `{parameter}`; it never passes through a shell.

    The result is the last line `AMBS-RESULT: <number or JSON object>` of its standard output, or the JSON
    file that the environment variable AMBS_RESULT names; without either, a number alone on the last line.
    `{{` and `}}` stand for braces.
    """

    arguments: Sequence[str]


def objective_to_json(objective: object, parameters: Sequence[str], *, warm: bool) -> dict[str, object]:
    """The stored form of an objective.

    Args:
        objective: "module:function", a function of an importable module or of a notebook, or a Command.
        parameters: names that a Command may use.
        warm: fork a function from a process that has loaded its module.

    Returns:
        {"function": "module:name", "warm": bool} or {"command": [entries]}.

    Raises:
        ProblemError: the objective has another form, or a placeholder names no parameter.
    """
    if isinstance(objective, Command):
        return {"command": _checked_entries(objective, parameters)}
    remedy = "Write 'module:function', or Command(['program', '{parameter}', ...])"
    if callable(objective):
        objective = found_function(objective).name
    if not isinstance(objective, str) or not FUNCTION.fullmatch(objective):
        raise ProblemError("problem", "objective", f"is {objective!r}", remedy)
    return {"function": objective, "warm": warm}


def check_objective_exists(objective: Mapping[str, object], directory: Path) -> None:
    """Raise a ProblemError when the module or program, or the image around it, cannot be found.

    Nothing is imported or run.
    """
    container = objective.get("container")
    if isinstance(container, Mapping):
        _check_image(container, directory)  # what it holds cannot be seen from here
        return
    function = objective.get("function")
    if isinstance(function, str):
        _check_module(function.partition(":")[0], directory)
        return
    import shutil

    program = str(objective["command"][0])  # type: ignore[index]  # checked when the problem was made
    local = directory / program
    found = local.exists() if "/" in program else shutil.which(program) is not None
    if not found:
        place = str(local) if "/" in program else "the PATH"
        remedy = "Install it, or give a path that starts at the problem file's folder"
        raise ProblemError(
            "problem", "objective", f"the program {program!r} was not found at {place}", remedy
        )


def objective_digest(objective: Mapping[str, object], directory: str) -> str:
    """The digest in the allow-list; it depends on the objective and on the folder that it is loaded from."""
    canonical = json.dumps([dict(objective), directory], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _checked_entries(command: Command, parameters: Sequence[str]) -> list[str]:
    entries = command.arguments
    if isinstance(entries, str) or not all(isinstance(entry, str) for entry in entries):
        raise ProblemError(
            "problem", "objective", f"Command got {entries!r}", "Give a list of texts: no shell splits it"
        )
    if not entries or not entries[0]:
        raise ProblemError(
            "problem", "objective", "Command is empty", "Its first entry is the program to run"
        )
    for entry in entries:
        for match in PLACEHOLDER.finditer(entry):
            name = match.group(1)
            if name is not None and name not in parameters:
                raise ProblemError(
                    "problem",
                    "objective",
                    f"{entry!r} names no parameter of the space",
                    nearest(name, parameters),
                )
    return list(entries)


def _check_image(container: Mapping[str, object], directory: Path) -> None:
    path = image_path(str(container["image"]), str(directory))
    if path is not None and not Path(path).exists():
        raise ProblemError(
            "problem",
            "container.image",
            f"there is no file or folder {path}",
            "Build it there, or give a path that starts at the problem file's folder",
        )


def _check_module(module: str, directory: Path) -> None:
    top = module.partition(".")[0]
    if importlib.machinery.PathFinder.find_spec(top, [str(directory)]) is not None:
        return
    if importlib.machinery.PathFinder.find_spec(top) is None:
        raise ProblemError(
            "problem",
            "objective",
            f"there is no module {top!r} in {directory} and none is installed",
            "Put the module beside the problem file, or install it in this environment",
        )
