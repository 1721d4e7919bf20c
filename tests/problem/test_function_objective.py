"""A function is an objective where other processes can import it, and is refused with a way out where not."""

from __future__ import annotations

import importlib
import linecache
import sys
import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FunctionType

import pytest
from sklearn.metrics import accuracy_score

from ambs_hpc import Problem
from ambs_hpc.errors import ProblemError
from ambs_hpc.problem import load_problem
from ambs_hpc.problem.function_objective import found_function
from ambs_hpc.problem.notebook_function import module_text


def of_this_module(configuration: dict[str, float]) -> float:
    return configuration["x"]


def renamed(configuration: dict[str, float]) -> float:
    return configuration["x"]


def closure() -> Callable[[dict[str, float]], float]:
    def inner(configuration: dict[str, float]) -> float:
        return configuration["x"]

    return inner


class Holder:
    def method(self, configuration: dict[str, float]) -> float:
        return configuration["x"]


REFUSED = {
    "lambda": (lambda configuration: configuration["x"], "is a lambda, which has no name"),
    "closure": (closure(), "is the function inner inside of closure"),
    "method": (Holder.method, "is the method Holder.method"),
    "bound method": (Holder().method, "is method, a method"),
    "class": (Holder, "is the class Holder"),
    "partial": (partial(of_this_module), "is a partial object"),
    "built-in": (len, "is len, a builtin_function_or_method"),
}


@pytest.mark.parametrize("function, seen", REFUSED.values(), ids=REFUSED)
def test_function_that_nobody_can_import_is_refused(function: object, seen: str) -> None:
    """The message says what it is, why that cannot work, and what does."""
    with pytest.raises(ProblemError) as caught:
        Problem(name="p", space={"x": (0.0, 1.0)}, objective=function)  # type: ignore[arg-type]  # on purpose
    assert seen in str(caught.value)
    assert caught.value.field == "objective"
    assert "top level" in caught.value.remedy


def test_function_that_another_one_replaced_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations would import the other one."""
    before = of_this_module
    monkeypatch.setattr(sys.modules[__name__], "of_this_module", renamed)
    with pytest.raises(ProblemError, match=r"is not tests\.problem\.test_function_objective\.of_this_module"):
        found_function(before)


def test_function_of_a_module_is_its_name_and_folder() -> None:
    """The folder is the one from which the module is imported, not the one that it lies in."""
    found = found_function(of_this_module)
    assert found.name == "tests.problem.test_function_objective:of_this_module"
    assert found.folder == Path(__file__).parents[2]
    problem = Problem(name="p", space={"x": (0.0, 1.0)}, objective=of_this_module)
    assert problem.objective_json == {"function": found.name, "warm": True}


def test_installed_function_needs_no_folder() -> None:
    """It is imported wherever a launcher runs."""
    found = [found_function(one) for one in (accuracy_score, textwrap.dedent)]
    assert [one.folder for one in found] == [None, None]


def test_problem_file_takes_functions_of_modules_beside_it_and_its_own(tmp_path: Path) -> None:
    """Both are found by the name that other processes import."""
    (tmp_path / "model_beside.py").write_text("def train(configuration):\n    return configuration['x']\n")
    head = "from ambs_hpc import Problem\nfrom model_beside import train\ndef own(c): return c['x']\n"
    for name, expected in (("train", "model_beside:train"), ("own", "problem:own")):
        text = f"{head}problem = Problem(name='p', space={{'x': (0.0, 1.0)}}, objective={name})\n"
        (tmp_path / "problem.py").write_text(text)
        loaded = load_problem(tmp_path / "problem.py")
        assert loaded.problem.objective_json["function"] == expected
    sys.modules.pop("model_beside")


CELL = """
import math
from collections import OrderedDict as Ordered
import os.path as paths

SCALE, LABELS = 2.5, ["a", "b"]

def scaled(value=SCALE):
    return value * math.sqrt(4.0)

def train(configuration):
    table = Ordered(x=[scaled(configuration["x"]) for configuration in [configuration]])
    assert (__name__, paths.join("a", LABELS[0])) in [("__main__", "a/a"), ("train_of_notebook", "a/a")]
    return table["x"][0]
"""


def of_a_cell(source: str, name: str = "train") -> FunctionType:
    """The function that a cell with this source defines, as a kernel has it."""
    file = "<ipython-input-1-test>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    namespace: dict[str, object] = {"__name__": "__main__"}
    exec(compile(source, file, "exec"), namespace)
    function = namespace[name]
    assert isinstance(function, FunctionType)
    return function


def test_notebook_function_is_written_with_what_it_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Imports, plain values and other functions come along; the module gives the same results alone."""
    function = of_a_cell(CELL)
    name, text = module_text(function)
    assert name == "train_of_notebook"
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module(name)
    assert module.train({"x": 3.0}) == function({"x": 3.0}) == 6.0
    assert module_text(of_a_cell(CELL)) == (name, text)


NOT_WRITABLE = {
    "data": ("DATA = open('/dev/null')\ndef train(c): return DATA", "uses DATA, a TextIOWrapper"),
    "class": ("class Net: pass\ndef train(c): return Net()", "uses Net, a type of the notebook"),
    "large": ("DATA = list(range(9999))\ndef train(c): return DATA", "uses DATA, a list"),
    "unknown": ("def train(c): return undefined_name", "uses undefined_name, which is not defined"),
    "infinite": ("TOP = float('inf')\ndef train(c): return TOP", "uses TOP, a float"),
    "through another": ("X = object()\ndef f(): return X\ndef train(c): return f()", "uses X, a object"),
}


@pytest.mark.parametrize("source, seen", NOT_WRITABLE.values(), ids=NOT_WRITABLE)
def test_notebook_function_that_uses_more_is_refused_by_that_name(source: str, seen: str) -> None:
    """What would need a pickle is named, with the way out that always works."""
    with pytest.raises(ProblemError) as caught:
        module_text(of_a_cell(source))
    assert seen in str(caught.value)
    assert "%%writefile train.py" in caught.value.remedy
