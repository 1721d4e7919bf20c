"""A command that is told can be pasted, so that it names the file, and never a wrong one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ambs_hpc.api.reasons.problem_files import allow_command, can_submit, problem_file_of
from ambs_hpc.queue import open_database, transaction
from tests.queue import stock

MADE = "from ambs_hpc import Problem\nproblem = Problem(name={!r})\n"


def test_the_problem_file_is_found_without_being_run(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several the one that names the campaign; of none and of two alike no one knows."""
    engine = open_database(sqlite_url)
    with transaction(engine) as connection:
        one = stock.campaign(connection, directory=str(tmp_path))
    engine.dispose()
    assert problem_file_of(one) == "PROBLEM"
    (tmp_path / "model.py").write_text("raise SystemExit('must not be run')\n")
    (tmp_path / "a.py").write_text(MADE.format("other"))
    assert problem_file_of(one) == f"{tmp_path}/a.py"  # a campaign may have another name than its problem
    (tmp_path / "my net.py").write_text("problem: Problem = Problem(name='digits')\n")
    monkeypatch.chdir(tmp_path)
    assert problem_file_of(one) == "'my net.py'"
    assert allow_command(one) == "ambs allow 'my net.py' --runs /home/me/digits/ambs-runs/digits"
    usual = replace(one, definition=replace(one.definition, run_directory=f"{tmp_path}/ambs-runs/digits/1"))
    assert allow_command(usual) == "ambs allow 'my net.py'"
    (tmp_path / "b.py").write_text(MADE.format("digits"))
    assert problem_file_of(one) == "PROBLEM"


def test_only_a_folder_with_a_site_can_submit(tmp_path: Path) -> None:
    """Elsewhere `ambs launch` is all there is; a broken file is no reason to answer nothing."""
    assert not can_submit(tmp_path)
    for text in ("site: local", "site: nosuch", "a: [", "site: slurm"):
        (tmp_path / "ambs.yml").write_text(f"{text}\n")
        assert can_submit(tmp_path) is (text == "site: slurm"), text
