"""A problem file that cannot be used is told with file, line, field and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambs_hpc.errors import ProblemError
from ambs_hpc.problem import load_problem

HEAD = "from ambs_hpc import Problem, Command, Resources\n"
SPACE = "{'lr': (1e-5, 1e-1, 'log'), 'units': (8, 512), 'kind': ['a', 'b']}"


def problem_text(**fields: str) -> str:
    """A good problem file with some fields replaced by other source text."""
    given = {"name": "'p'", "space": SPACE, "objective": "'model:train'", **fields}
    return (
        HEAD + f"problem = Problem({', '.join(f'{name}={text}' for name, text in given.items() if text)})\n"
    )


def load(folder: Path, text: str) -> object:
    (folder / "model.py").write_text("def train(configuration):\n    return 0.0\n")
    (folder / "problem.py").write_text(text)
    return load_problem(folder / "problem.py")


WRONG = {
    "unknown field": (problem_text(timelimit="3"), ":2: timelimit: is not a field", "'time_limit_seconds'"),
    "missing field": (problem_text(space=""), ":2: space: is missing", "Give space"),
    "bad name": (problem_text(name="'a b'"), "name: is 'a b'", "letters"),
    "bad direction": (problem_text(direction="'minimise'"), "direction: is 'minimise'", "'minimize'"),
    "space is a list": (problem_text(space="[1]"), "space: is a list", "Accepted"),
    "empty space": (problem_text(space="{}"), "space: has no parameters", "Accepted"),
    "reversed bounds": (
        problem_text(space="{'x': (2, 1)}"),
        "space['x']: has the low bound 2",
        "lower first",
    ),
    "log from zero": (
        problem_text(space="{'x': (0.0, 1.0, 'log')}"),
        "space['x']: is logarithmic",
        "above 0",
    ),
    "word for log": (problem_text(space="{'x': (1.0, 2.0, 'logg')}"), "space['x']: is", "'log'"),
    "choice twice": (problem_text(space="{'x': ['a', 'a']}"), "space['x']: is ['a', 'a']", "none twice"),
    "infinite bound": (problem_text(space="{'x': (0, float('inf'))}"), "space['x']: is (0, inf)", "finite"),
    "objective called": (
        problem_text(objective="print"),
        "objective: is print, a builtin_function_or_method",
        "objective='train:NAME'",
    ),
    "no colon": (problem_text(objective="'model.train'"), "objective: is 'model.train'", "module:function"),
    "no module": (problem_text(objective="'modle:train'"), "objective: there is no module 'modle'", "beside"),
    "shell text": (
        problem_text(objective="Command('ls -l')"),
        "objective: Command got 'ls -l'",
        "list of texts",
    ),
    "empty command": (problem_text(objective="Command([])"), "objective: Command is empty", "first entry"),
    "placeholder": (
        problem_text(objective="Command(['echo', '{unit}'])"),
        "objective: '{unit}' names",
        "'units'",
    ),
    "no program": (problem_text(objective="Command(['no-such-program'])"), "objective: the program", "PATH"),
    "no cores": (problem_text(resources="Resources(cores=0)"), "resources.cores: is 0", "from 1"),
    "resources dict": (problem_text(resources="{'cores': 1}"), "resources: is {'cores': 1}", "Resources("),
    "negative limit": (problem_text(time_limit_seconds="-1"), "time_limit_seconds: is -1", "above 0"),
    "starting point out of range": (
        problem_text(starting_points="[{'lr': 1.0, 'units': 8, 'kind': 'a'}]"),
        "starting_points[0]: {'lr': 1.0",
        "within its range",
    ),
    "starting point incomplete": (
        problem_text(starting_points="[{'lr': 0.01}]"),
        "starting_points[0]: {'lr': 0.01} is not in the space",
        "exactly the active",
    ),
    "no problem": (HEAD, "problem: is not defined", "Write `problem"),
    "other name": (
        HEAD + f"mine = Problem('p', {SPACE}, 'model:train')\n",
        "problem: is not",
        "Rename `mine`",
    ),
    "not a problem": (HEAD + "problem = 3\n", "problem: is a int", "ambs_hpc.Problem"),
    "syntax": (HEAD + "problem = (\n", ":2: file: raised SyntaxError", "Correct the file"),
    "raises": (HEAD + "x = 1 / 0\n", ":2: file: raised ZeroDivisionError", "Correct the file"),
    "exits": (HEAD + "import sys; sys.exit(3)\n", "file: ends the program (3)", "__main__"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_problem_file_names_field_and_remedy(case: str, tmp_path: Path) -> None:
    """People correct a file by the message alone."""
    text, seen, remedy = WRONG[case]
    with pytest.raises(ProblemError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "problem.py"))
    assert seen in message
    assert remedy in message


def test_missing_file_and_folder_are_told_apart(tmp_path: Path) -> None:
    """A mistyped path is the most frequent mistake."""
    with pytest.raises(ProblemError, match=r"absent\.py: file: does not exist"):
        load_problem(tmp_path / "absent.py")
    with pytest.raises(ProblemError, match="file: is a folder"):
        load_problem(tmp_path)


def test_problem_file_may_import_its_neighbours(tmp_path: Path) -> None:
    """Problem files share code with the objective beside them."""
    (tmp_path / "shared_space.py").write_text(f"SPACE = {SPACE}\n")
    text = HEAD + "from shared_space import SPACE\nproblem = Problem('p', SPACE, 'model:train')\n"
    loaded = load(tmp_path, text)
    assert loaded.problem.parameters == ["kind", "lr", "units"]  # type: ignore[attr-defined]


def test_what_a_problem_file_prints_is_not_on_stdout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program that reads `ambs run --json` gets JSON and nothing before it."""
    (tmp_path / "problem.py").write_text(
        "from ambs_hpc import Problem\nprint('loading')\n"
        "problem = Problem(name='p', space={'x': (0.0, 1.0)}, objective='model:f', direction='minimize')\n"
    )
    (tmp_path / "model.py").write_text("def f(c): return 1.0\n")
    load_problem(tmp_path / "problem.py")
    assert capsys.readouterr() == ("", "loading\n")
