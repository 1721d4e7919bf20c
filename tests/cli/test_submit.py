"""What `ambs submit` prints before anything is submitted, for people and for scripts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from ambs_hpc.cli.main import app
from ambs_hpc.queue import list_allocations, open_database, reading
from tests.databases import fresh_database


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty campaign folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AMBS_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("AMBS_DB", raising=False)
    return tmp_path


def submit(*words: str) -> Result:
    return CliRunner().invoke(app, ["submit", *words])


POLARIS = ("-s", "polaris", "-t", "60", "-A", "P", "--dry-run")


def test_a_dry_run_fails_where_the_request_would() -> None:
    """`ambs submit --dry-run && ambs submit` is how a script asks; the script is printed all the same."""
    wrong, right = submit("-n", "3", *POLARIS), submit("-n", "10", *POLARIS)
    assert [wrong.exit_code, right.exit_code] == [1, 0]
    assert "nodes 3: prod takes 10 to 496 nodes" in wrong.stderr
    assert wrong.stdout.startswith("#!/bin/bash -l\n")
    assert wrong.stdout == right.stdout.replace("select=10", "select=3")


def test_a_dry_run_is_told_as_json_too() -> None:
    """The script with what was found in the request, as `ambs check --json` prints that."""
    for nodes, problems in (("3", 1), ("10", 0)):
        result = submit("-n", nodes, *POLARIS, "--json")
        told = json.loads(result.stdout)
        assert result.exit_code == problems
        assert (told["queue"], len(told["problems"])) == ("prod", problems)
        assert f"#PBS -l select={nodes}:system=polaris\n" in told["script"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("-n", "0", "-t", "10"), "nodes 0: give a whole number from 1 to 1000000."),
        (("-n", "1", "-t", "99999999"), "walltime 99999999 minutes: give a whole number from 1 to 527040."),
        (("-n", "1", "-t", "10", "--chain", "0"), "chain 0: give a whole number from 1 to 1000."),
    ],
)
def test_balsam_gets_no_impossible_batch_job(folder: Path, words: tuple[str, ...], told: str) -> None:
    """No site's profile checks it there, and no allocation at all looked like a success."""
    with fresh_database("sqlite", folder) as url:
        asked = ("--via", "balsam", "--balsam-site", "here", "-q", "q", "-A", "p", "--db", url)
        for dry_run in ((), ("--dry-run",)):
            result = submit(*words, *asked, *dry_run)
            assert (result.exit_code, result.stdout) == (1, "")
            assert str(result.exception) == told
        engine = open_database(url)
        with reading(engine) as connection:
            assert list_allocations(connection) == []
        engine.dispose()
