"""A file that cannot be written is told in one line, and another one can be given."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ambs_hpc.cli.main import app
from ambs_hpc.errors import AmbsError, UsageError
from ambs_hpc.problem.space import build_space, space_to_json
from ambs_hpc.queue import claim, complete, open_database, transaction
from tests.queue import stock

COMMANDS = (
    "export csv",
    "export json",
    "export parquet",
    "export optuna",
    "export tensorboard",
    "export mlflow",
    "plot",
    "compare",
    "report",
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = f"sqlite:///{tmp_path_factory.mktemp('written')}/ambs.db"
    engine = open_database(made)
    problem = {"space": space_to_json(build_space({"lr": (0.0, 1.0), "layers": (0, 9)}))}
    with transaction(engine) as connection:
        campaign = stock.campaign(connection, problem=problem)
        stock.evaluations(connection, campaign.id, 2)
        launcher = stock.launcher(connection)
        complete(connection, launcher, stock.successes(claim(connection, launcher, 2)))
    engine.dispose()
    return made


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_cannot_be_written_is_named(command: str, url: str, tmp_path: Path) -> None:
    """A slip in a path is no fault of the program, and 35 lines of it hide the path."""
    (tmp_path / "file").write_text("")
    output = tmp_path / "file" / "folder" / "x.png"
    words = [*command.split(), "--output", str(output), "--db", url]
    with pytest.raises(UsageError) as told:
        CliRunner().invoke(app, words, catch_exceptions=False)
    assert str(told.value) == f"{output} cannot be written: Not a directory. Give another --output."
    assert (tmp_path / "file").read_text() == ""


@pytest.mark.parametrize(
    "command", [one for one in COMMANDS if one not in ("export tensorboard", "export mlflow")]
)
def test_a_database_is_not_written_over(command: str, url: str, tmp_path: Path) -> None:
    """`--output` in the place of `--db` must not cost all results."""
    database = tmp_path / "ambs.png"
    database.write_bytes(Path(url.removeprefix("sqlite:///")).read_bytes())
    before = database.read_bytes()
    with pytest.raises(AmbsError, match=r"is a database"):
        CliRunner().invoke(
            app, [*command.split(), "--output", str(database), "--db", url], catch_exceptions=False
        )
    assert database.read_bytes() == before


def test_a_folder_as_the_name_of_a_report_is_refused_in_words(url: str) -> None:
    """A forgotten name of a file is a slip of a person, not a fault of the program."""
    with pytest.raises(UsageError, match=r"cannot be written: it is a folder\. Give another --output\."):
        CliRunner().invoke(app, ["report", "--output", ".", "--db", url], catch_exceptions=False)
