"""Commands on a database in which others have written: what cannot be used is named, the rest is shown."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from typer.main import get_command

from ambs_hpc.cli.main import app
from ambs_hpc.errors import AmbsError, RowUnusable
from ambs_hpc.queue import forget_left_out, left_out_words, open_database, transaction
from tests.queue.unusable import PROBLEMS, healthy, ignore_checks, spoil

OF_ALL = (
    *("status", "status --json", "list -n 999", "list --json -n 999", "list --sort objective", "best -n 9"),
    *("why idle", "ledger", "nodes --all", "allocations", "export csv", "export json"),
)
OF_ONE = (
    *("status -c", "list -c", "best -n 99 -c", "why failed -c", "why failed --json -c", "importance -c"),
    *("report -o r.html -c", "plot -o p.png -c", "export csv -c", "export tensorboard -o tb -c", "space"),
    *("ensemble -c", "compare good", "ledger -c", "why idle -c"),
)


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AMBS_CONFIG_DIR", str(tmp_path / "config"))
    forget_left_out()
    yield
    forget_left_out()


@pytest.fixture
def sqlite_engine(sqlite_url: str) -> Iterator[Engine]:
    engine = open_database(sqlite_url)
    yield engine
    engine.dispose()


def said(url: str, line: str) -> str:
    """What a command refuses with; "" where it does what was asked. Anything unexpected is raised."""
    try:
        get_command(app).main([*line.split(), "--db", url], prog_name="ambs", standalone_mode=False)
    except AmbsError as error:
        return str(error)
    except SystemExit as end:
        assert not end.code, line
    return ""


def test_every_reading_command_goes_on_with_the_other_rows(any_engine: Engine, any_url: str) -> None:
    """One row of somebody's hand must not hide a campaign of weeks."""
    healthy(any_engine)
    spoil(any_engine)
    for line in OF_ALL:
        assert said(any_url, line) == "", line
    for line in OF_ONE:
        words = said(any_url, f"{line} good")
        assert words == "" or words.startswith("None of the"), line  # no evaluation has left predictions
    for number in (1, 10, 22):
        for command in ("show", "show --json", "why"):
            assert said(any_url, f"{command} {number}") == ""


def test_a_campaign_without_a_problem_is_named_where_it_is_needed(
    sqlite_engine: Engine, sqlite_url: str
) -> None:
    """Its row, the field, what stands there and what is accepted; commands that need none of it go on."""
    healthy(sqlite_engine)
    spoil(sqlite_engine)
    for name in PROBLEMS:
        for line in OF_ONE:
            words = said(sqlite_url, f"{line} {name}")
            is_named = words == "" or "problem" in words
            assert is_named or words.startswith(("None of the", "There is no")), (line, name)
        assert "Accepted: " in said(sqlite_url, f"why failed -c {name}")


def test_rows_are_named_with_what_is_accepted(
    sqlite_engine: Engine,
    sqlite_url: str,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A person finds the first of many alike, and is told how many there are."""
    healthy(sqlite_engine)
    spoil(sqlite_engine)
    with caplog.at_level(logging.WARNING):
        assert said(sqlite_url, "list -c good --json -n 99") == ""
    assert [row["id"] for row in json.loads(capsys.readouterr().out)][:5] == [1, 3, 5, 10, 11]
    assert "evaluation 2 in the database: configuration is {}. Accepted: a JSON object of" in caplog.text
    assert "evaluation 7" not in caplog.text
    assert left_out_words() == "6 x evaluation.configuration, 1 x evaluation.metrics"
    assert said(sqlite_url, "importance -c good") == ""
    assert "evaluation 3 in the database: configuration is {'x'" in caplog.text
    assert "the space has no parameter 'depth'. Accepted: kind, n, x." in caplog.text
    assert left_out_words().endswith(", 2 x evaluation.configuration outside of its space")
    assert "evaluation 2 in the database: configuration is {}" in said(sqlite_url, "why 2")


def test_a_revision_names_the_column_that_is_wrong(
    sqlite_engine: Engine, sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Who is sent to the definition finds nothing wrong there."""
    healthy(sqlite_engine)
    with transaction(sqlite_engine) as connection:
        connection.exec_driver_sql("UPDATE campaign_revision SET changes = '7'")
    with caplog.at_level(logging.WARNING):
        assert said(sqlite_url, "space good") == ""
    assert "campaign_revision 1, 1 in the database: changes is 7. Accepted: a JSON list" in caplog.text


def test_words_of_another_version_are_named(sqlite_engine: Engine, sqlite_url: str) -> None:
    """A newer program may know states, moves and kinds of failures that this one does not."""
    healthy(sqlite_engine)
    with transaction(sqlite_engine) as connection:
        changes = ["state = 'FROZEN' WHERE id = 3", "failure_kind = 'SAD' WHERE id = 21"]
        changes += ["objective = 'NaN' WHERE id = 4"]
        ignore_checks(connection, [f"UPDATE evaluation SET {one}" for one in changes])
    for line in (*OF_ALL, *(f"{one} good" for one in OF_ONE)):
        assert said(sqlite_url, line) == "" or line.startswith("ensemble"), line
    assert "state is FROZEN. Accepted: READY, RUNNING" in said(sqlite_url, "show 3")
    assert "failure_kind is SAD. Accepted: ERROR, " in said(sqlite_url, "show 21")
    assert "objective is NaN. Accepted: a finite number" in said(sqlite_url, "why 4")


def test_a_row_says_where_it_is() -> None:
    """Long values are cut: a configuration may have a hundred parameters."""
    fault = RowUnusable("campaign", 3, "problem", "x" * 1000, "a JSON object")
    assert str(fault) == f"campaign 3 in the database: problem is {'x' * 100}.... Accepted: a JSON object"
