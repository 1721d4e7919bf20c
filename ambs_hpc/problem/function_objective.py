"""From a function in a person's hands to the name by which evaluations import it; nothing is pickled.

A function of a module is its name and the module's folder. One that was typed into a notebook has no module:
it gets one, from its source and from the names that it uses.
"""

from __future__ import annotations

import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType

from ambs_hpc.errors import ProblemError
from ambs_hpc.problem.notebook_function import module_text

EXECUTED = ("<run_path>", "__main__")  # names of modules that no other process can import by them
WHY = (
    "Evaluations run in other processes, which import it by its name: write it as `def NAME(configuration): "
    "...` at the top level of a module, as train.py, and give objective='train:NAME' or the function itself"
)
IN_A_NOTEBOOK = (
    "In a notebook put it into a cell that begins with %%writefile train.py, run that cell, and give "
    "objective='train:NAME'"
)


@dataclass(frozen=True, slots=True)
class FoundFunction:
    """How evaluations find a function.

    Args:
        name: "module:function".
        folder: of the module; None where it is importable from everywhere, as an installed one.
        text: the source of a module that has to be written into the folder first; "" for none.
    """

    name: str
    folder: Path | None
    text: str = ""

    @property
    def file(self) -> Path:
        """The module's file, of a function that has to be written."""
        return (self.folder or Path.cwd()) / f"{self.name.partition(':')[0]}.py"


def found_function(function: object) -> FoundFunction:
    """How evaluations find the function; nothing is written.

    Raises:
        ProblemError: they cannot; the message says where to put it.
    """
    if not isinstance(function, FunctionType):
        raise _refused(_described(function), WHY)
    name = function.__name__
    if name == "<lambda>":
        raise _refused("is a lambda, which has no name", _with_example(WHY))
    if "<locals>" in function.__qualname__:
        outer = function.__qualname__.rpartition(".<locals>.")[0]
        raise _refused(f"is the function {name} inside of {outer}, which cannot be imported", WHY)
    if "." in function.__qualname__:
        raise _refused(f"is the method {function.__qualname__}", WHY)
    module, file = function.__module__, Path(function.__code__.co_filename)
    if module in EXECUTED:
        return _of_what_runs(function, file)
    owner = sys.modules.get(module)
    if getattr(owner, name, None) is not function:
        raise _refused(
            f"is a function {name} that is not {module}.{name}",
            "Give the decorated or renamed function a name of its own at the top level of its module",
        )
    return FoundFunction(
        f"{module}:{name}", _import_folder(module, Path(getattr(owner, "__file__", "") or file))
    )


def _of_what_runs(function: FunctionType, file: Path) -> FoundFunction:
    """A function of the program, the problem file or the notebook that is running."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if function.__module__ == "__main__" and spec is not None and not spec.name.endswith("__main__"):
        return FoundFunction(f"{spec.name}:{function.__name__}", _import_folder(spec.name, file))
    is_script = file.is_file() and not _is_of_ipython(file)
    if is_script and file.stem.isidentifier():
        return FoundFunction(f"{file.stem}:{function.__name__}", file.absolute().parent)
    if is_script:
        remedy = f"Rename {file.name} so that it can be imported, or put the function into another module"
        raise _refused(f"is the function {function.__name__} of {file}, which is no module's name", remedy)
    module, text = module_text(function)
    return FoundFunction(f"{module}:{function.__name__}", Path.cwd(), text)


def _is_of_ipython(file: Path) -> bool:
    """Whether the file is one of a kernel's, which holds a cell and is gone with it."""
    return file.parent.name.startswith("ipykernel_") or "ipython" in file.name


def _import_folder(module: str, file: Path) -> Path | None:
    """The folder from which the module is imported; None where every interpreter of this kind finds it."""
    depth = module.count(".") + (file.name == "__init__.py")
    folder = file.absolute().parents[depth]
    is_library = str(folder) in (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
    return None if is_library or folder.name in ("site-packages", "dist-packages") else folder


def _described(function: object) -> str:
    name = getattr(function, "__name__", None)
    if isinstance(function, type):
        return f"is the class {name}"
    if name is not None:
        return f"is {name}, a {type(function).__name__} and not a function that Python source defines"
    return f"is a {type(function).__name__} object"


def _with_example(remedy: str) -> str:
    return f"{remedy}. {IN_A_NOTEBOOK}" if "ipykernel" in sys.modules else remedy


def _refused(seen: str, remedy: str) -> ProblemError:
    return ProblemError("problem", "objective", seen, remedy)
