"""What `ambs submit` prints before anything is submitted, for people and for scripts."""

from __future__ import annotations

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
