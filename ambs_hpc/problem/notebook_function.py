"""The module of a function that was typed into a notebook: its source, and the source of what it names.

Only what can be written as plain source goes in: imports, other functions of the notebook, and plain values.
Data, open files, models and classes of the notebook are refused by name: no pickle stands in for them.
"""

from __future__ import annotations

import builtins
import inspect
import math
import symtable
import textwrap
from types import FunctionType, ModuleType

from ambs_hpc.errors import ProblemError

# The first line of such a module: a file without it is a person's own and is not replaced.
MARK = "# Written by ambs_hpc from functions of a notebook, again at each Campaign(...) of it:"
OWN_NAMES = {"__name__", "__file__", "__doc__", "__spec__", "__builtins__"}  # that every module has
LONGEST_VALUE = 2000  # characters of a value that is written as source
REMEDY = (
    "Evaluations run in other processes and see what the function itself imports, other functions of the "
    "notebook, and plain numbers and texts. Let it load or make {name} inside, or put all of it into a cell "
    "that begins with %%writefile train.py, run that cell, and give objective='train:{function}'"
)


def module_text(function: FunctionType) -> tuple[str, str]:
    """The name and the source of a module with the function and all that it needs.

    Raises:
        ProblemError: it needs something that cannot be written as source.
    """
    parts = _Parts(function.__name__)
    parts.add_function(function)
    head = f"{MARK}\n# change the notebook, not this file.\n"
    blocks = ["\n".join(parts.imports), "\n".join(parts.values), *parts.functions]
    text = "\n\n\n".join(block for block in blocks if block)
    return f"{function.__name__}_of_notebook", f"{head}\n{text}\n"


class _Parts:
    """What goes into the module, in the order in which Python has to meet it."""

    def __init__(self, wanted: str) -> None:
        self._wanted = wanted
        self._known: set[str] = set()
        self.imports: list[str] = []
        self.values: list[str] = []
        self.functions: list[str] = []

    def add_function(self, function: FunctionType) -> None:
        self._known.add(function.__name__)
        source = _source_of(function)
        namespace = function.__globals__
        for name in sorted(_names_used(source, function.__name__) - self._known - OWN_NAMES):
            if name in namespace:
                self._add(name, namespace[name])
            elif not hasattr(builtins, name):
                raise self._refused(name, f"uses {name}, which is not defined")
        self.functions.append(source)

    def _add(self, name: str, value: object) -> None:
        if isinstance(value, FunctionType) and value.__module__ == "__main__":
            if value.__name__ != name:
                raise self._refused(name, f"uses {name}, another name of the function {value.__name__}")
            self.add_function(value)
            return
        self._known.add(name)
        line = _import_line(name, value)
        if line:
            self.imports.append(line)
        elif _is_plain(value) and len(repr(value)) <= LONGEST_VALUE:
            self.values.append(f"{name} = {value!r}")
        else:
            raise self._refused(name, f"uses {name}, a {type(value).__name__} of the notebook")

    def _refused(self, name: str, seen: str) -> ProblemError:
        words = f"the function {self._wanted} {seen}"
        return ProblemError("problem", "objective", words, REMEDY.format(name=name, function=self._wanted))


def _source_of(function: FunctionType) -> str:
    try:
        return textwrap.dedent(inspect.getsource(function)).rstrip()
    except (OSError, TypeError) as error:
        seen = f"is the function {function.__name__}, whose source Python does not have"
        remedy = f"Write it into a file, as train.py, and give objective='train:{function.__name__}'"
        raise ProblemError("problem", "objective", seen, remedy) from error


def _names_used(source: str, own: str) -> set[str]:
    """The names outside of itself that the source uses, decorators, defaults and annotations included."""
    found: set[str] = set()

    def look(table: symtable.SymbolTable) -> None:
        for symbol in table.get_symbols():
            is_top = table.get_type() == "module"
            if symbol.is_referenced() and (symbol.is_global() or (is_top and not symbol.is_assigned())):
                found.add(symbol.get_name())
        for child in table.get_children():
            look(child)

    look(symtable.symtable(source, "notebook", "exec"))
    return found - {own}


def _import_line(name: str, value: object) -> str:
    """The import that gives `value` its name; "" where none does."""
    if isinstance(value, ModuleType):
        return "" if value.__name__ == "__main__" else _as(f"import {value.__name__}", value.__name__, name)
    module, own = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if not isinstance(module, str) or not isinstance(own, str) or module in ("__main__", "builtins"):
        return ""
    import sys

    if getattr(sys.modules.get(module), own, None) is not value:
        return ""
    return _as(f"from {module} import {own}", own, name)


def _as(line: str, own: str, name: str) -> str:
    return line if own == name else f"{line} as {name}"


def _is_plain(value: object) -> bool:
    """Whether `repr` writes the value as source that makes it again."""
    if type(value) is float:
        return math.isfinite(value)
    if value is None or type(value) in (bool, int, str, bytes):
        return True
    if isinstance(value, list | tuple | set) and type(value) in (list, tuple, set):
        return bool(value or not isinstance(value, set)) and all(map(_is_plain, value))
    if type(value) is dict:
        return all(_is_plain(one) for pair in value.items() for one in pair)
    return False
