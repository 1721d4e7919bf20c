"""A wrong command line gets one message that says what to do, and leaves no trace in a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from ambs_hpc.api.submission import LauncherOptions
from ambs_hpc.campaign import SearchSettings, define_campaign
from ambs_hpc.cli.commands.run import parse_options, parse_was
from ambs_hpc.cli.commands.tell import _renamed
from ambs_hpc.cli.main import app
from ambs_hpc.errors import UsageError
from ambs_hpc.problem import load_problem
from tests.stories.commands import Shell

PROBLEM = """
from ambs_hpc import Problem
problem = Problem(name="p", space={"x": (0.0, 1.0)}, objective="model:train")
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    made = Shell(tmp_path, str(tmp_path / "ambs.db"))
    made.write("problem.py", PROBLEM)
    made.write("model.py", "def train(configuration):\n    return configuration['x']\n")
    return made


ERROR, USAGE = 1, 2
WRONG = {
    "no such file": (["run", "absent.py"], ERROR, ["absent.py", "does not exist"]),
    "no evaluations": (
        ["run", "problem.py", "--max-evaluations", "0"],
        ERROR,
        ["--max-evaluations 0", "from 1"],
    ),
    "no time": (["run", "problem.py", "--max-minutes", "-1"], ERROR, ["--max-minutes -1", "above 0"]),
    "no slots": (["run", "problem.py", "--slots", "0"], ERROR, ["--slots 0", "from 1"]),
    "method": (["run", "problem.py", "--method", "amsb"], ERROR, ["amsb", "Did you mean 'ambs'", "random"]),
    "method option": (["run", "problem.py", "-o", "kapa=1"], ERROR, ["kapa", "kappa"]),
    "option form": (["run", "problem.py", "-o", "kappa"], ERROR, ["--option kappa", "NAME=VALUE"]),
    "unknown option": (["run", "problem.py", "--max-eval", "3"], USAGE, ["--max-eval", "--max-evaluations"]),
    "not a number": (["run", "problem.py", "--seed", "x"], USAGE, ["--seed", "not a valid int"]),
    "unknown command": (["rnu", "problem.py"], USAGE, ["rnu"]),
    "missing folder": (["status", "--db", "no/such/folder/ambs.db"], ERROR, ["no/such/folder"]),
    "not a database": (["status", "--db", "problem.py"], ERROR, ["problem.py", "not a"]),
    "no database": (["status", "--db", "absent.db"], ERROR, ["absent.db"]),
    "a password for ambs.yml": (
        ["init", "--site", "local", "--db", "postgresql://db/x?password=secret"],
        ERROR,
        ["no password belongs in ambs.yml", "~/.pgpass"],
    ),
    "no server": (
        ["status", "--db", "postgresql://me:secret@127.0.0.1:9/none"],
        ERROR,
        ["127.0.0.1"],
    ),
    "empty database": (["run", "problem.py", "--db", ""], USAGE, ["'--db'", "its value is empty"]),
    "database in memory": (["run", "problem.py", "--db", "sqlite://"], ERROR, ["ends with this process"]),
    "a device as database": (["status", "--db", "/dev/null"], ERROR, ["/dev/null", "a pipe or a device"]),
    "a device as problem": (["run", "/dev/null"], ERROR, ["/dev/null", "is a pipe or a device"]),
    "name of no folder": (["run", "problem.py", "--name", "../x"], ERROR, ["--name '../x'", "letters"]),
    "too many GPUs": (["launch", "--gpus", "99999999"], ERROR, ["--gpus 99999999", "from 0 to 1000"]),
    "more nodes than there are": (
        ["simulate", "--nodes", "99999999999"],
        ERROR,
        ["--nodes 99999999999", "from 1 to 100000"],
    ),
    "endless simulation": (["simulate", "--minutes", "inf"], USAGE, ["--minutes", "inf is not in the range"]),
    "unknown scheme": (["status", "--db", "mysql://localhost/x"], ERROR, ["mysql", "postgresql"]),
}


@pytest.mark.parametrize(
    ("read", "pairs"),
    [(parse_options, ["kappa=1", "kappa=2"]), (parse_was, ["lr=1", "lr=2"]), (_renamed, ["lr=a", "lr=b"])],
)
def test_two_values_of_one_name_are_refused(
    read: Callable[[list[str]], Mapping[str, object]], pairs: list[str]
) -> None:
    """The last one would win in silence, and the campaign be another than was meant."""
    with pytest.raises(UsageError, match="already"):
        read(pairs)
    assert list(read(pairs[:1] * 2)) == [pairs[0].partition("=")[0]]


def test_an_empty_method_and_a_file_for_runs_are_refused(tmp_path: Path) -> None:
    """A variable of a script that is empty is not the default, and no folder is made below a file."""
    (tmp_path / "problem.py").write_text(PROBLEM)
    (tmp_path / "model.py").write_text("def train(configuration):\n    return 1.0\n")
    (tmp_path / "file").touch()
    loaded = load_problem(tmp_path / "problem.py")
    with pytest.raises(UsageError, match="search method '' does not exist"):
        define_campaign(loaded, SearchSettings(method=""))
    for runs in (tmp_path / "file", tmp_path / "file" / "deep" / "er"):
        with pytest.raises(UsageError, match=f"--runs {runs}: {tmp_path}/file is no folder"):
            define_campaign(loaded, SearchSettings(run_root=runs))


@pytest.mark.parametrize(
    ("with_search", "budget", "told"),
    [(None, 5, "give --with-search"), (Path("p.py"), 0, "from 1 to"), (Path("p.py"), 10**12, "from 1 to")],
)
def test_an_allocation_that_could_only_fail_is_not_asked_for(
    with_search: Path | None, budget: int, told: str
) -> None:
    """Its launcher would say so after hours in the queue."""
    with pytest.raises(UsageError, match=told):
        LauncherOptions(with_search=with_search, max_evaluations=budget)
    assert LauncherOptions(with_search=Path("p.py"), max_evaluations=1).arguments()


@pytest.mark.parametrize(
    "words",
    [
        ["status", "-c", ""],
        ["rerun", "--campaign="],
        ["submit", "-n", "1", "-q", "", "--dry-run"],
        ["db", "start", "--folder", ""],
        ["run", "p.py", "-o", "kappa=1", "--name", ""],
    ],
)
def test_an_option_with_an_empty_value_is_refused(words: list[str]) -> None:
    """A script's variable that is not set must not mean all campaigns, or another queue."""
    told = CliRunner().invoke(app, words)
    assert told.exit_code == USAGE
    assert "its value is empty" in told.output + (told.stderr if told.stderr_bytes else "")


@pytest.mark.parametrize("case", WRONG)
def test_wrong_command_line_is_told(case: str, shell: Shell) -> None:
    """Exit code and message let a script and a person go on."""
    arguments, status, parts = WRONG[case]
    message = shell.rejected(*arguments, status=status)
    for part in parts:
        assert part in message
    assert "secret" not in message
    assert not (shell.folder / "ambs.db").exists()


NEEDS_CAMPAIGN = {
    "unknown campaign": (["list", "--campaign", "q"], ERROR, ["no campaign 'q'", "p"]),
    "unknown state": (["list", "--state", "DOEN"], ERROR, ["DOEN", "DONE"]),
    "unknown column": (["list", "--sort", "objectiv"], ERROR, ["objectiv", "objective"]),
    "unknown id": (["show", "999"], ERROR, ["999"]),
    "logs of unknown id": (["logs", "999"], ERROR, ["999"]),
    "rerun of nothing": (["rerun"], ERROR, ["--failed"]),
    "rerun kind": (["rerun", "--failed", "--kind", "TIMOUT"], ERROR, ["TIMOUT", "TIMEOUT"]),
    "write by sql": (["sql", "delete from evaluation"], ERROR, ["Only one SELECT"]),
    "broken sql": (["sql", "selec 1"], ERROR, ["selec"]),
    "export format": (["export", "xml"], ERROR, ["xml", "parquet"]),
    "other campaign's space": (["space", "q"], ERROR, ["no campaign 'q'", "p"]),
    "edit of no parameter": (["space", "p", "--pin", "xx=3"], ERROR, ["--pin xx=3", "'xx'", "x"]),
    "edit outside": (["space", "p", "--narrow", "x=0..9"], ERROR, ["--narrow x=0..9", "within"]),
    "was of nothing": (["run", "problem.py", "--was", "y=1"], ERROR, ["--was y=1", "neither new nor gone"]),
    "other seed": (["run", "problem.py", "--seed", "5"], ERROR, ["has the seed 0", "--seed 5", "--name"]),
}


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    folder = tmp_path_factory.mktemp("campaign")
    made = Shell(folder, str(folder / "ambs.db"))
    made.write("problem.py", PROBLEM)
    made.write("model.py", "def train(configuration):\n    return configuration['x']\n")
    made.ambs("run", "problem.py", "--max-evaluations", "3", "--slots", "1")
    return made


@pytest.mark.parametrize("case", NEEDS_CAMPAIGN)
def test_wrong_question_is_told(case: str, campaign: Shell) -> None:
    """A typing mistake is answered with what there is."""
    arguments, status, parts = NEEDS_CAMPAIGN[case]
    message = campaign.rejected(*arguments, status=status)
    for part in parts:
        assert part in message
    assert campaign.rows("select count(*) as n from v_evaluations") == [{"n": 3}]


def float_options() -> Iterator[tuple[Any, Any]]:
    """All options of all commands that are numbers with a fraction, each with its command."""
    pending = [typer.main.get_command(app)]
    while pending:
        command: Any = pending.pop()
        pending += getattr(command, "commands", {}).values()
        yield from ((command, one) for one in command.params if one.type.name.startswith("float"))


@pytest.mark.parametrize(("command", "option"), list(float_options()), ids=lambda one: str(one.name))
def test_no_option_takes_nan_for_a_number(command: Any, option: Any) -> None:
    """It passes every bound, and no end would ever come."""
    needed = [one for one in command.params if one.required]
    others = [word for one in needed for word in ([one.opts[0]] * (one.param_type_name == "option") + ["1"])]
    with pytest.raises(typer.BadParameter, match="nan is no number"):
        command.make_context("it", [option.opts[0], "nan", *others])
