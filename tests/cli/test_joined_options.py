"""Options that a person gives several times are all taken."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ambs_hpc.cli.main import app
from ambs_hpc.cli.shared.allocation_request import Wanted, request_of


def test_attributes_and_file_systems_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second used to replace the first without a word."""
    monkeypatch.chdir(tmp_path)
    _, request = request_of(
        Wanted(1, "10", attributes=["a=1:b=2", "c=3"], filesystems=["home", "eagle"], site="cooley")
    )
    assert request.attributes == ("a=1", "b=2", "c=3")
    assert request.filesystems == ("home", "eagle")


def test_the_command_line_takes_an_option_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cobalt itself refuses a second --attrs: it gets one."""
    monkeypatch.chdir(tmp_path)
    words = [
        "check",
        "-n",
        "1",
        "-t",
        "10",
        "-A",
        "P",
        "--site",
        "cooley",
        "--attrs",
        "mode=a",
        "--attrs",
        "mode=b",
    ]
    result = CliRunner().invoke(app, words)
    assert "'mode': given 2 times" in f"{result.output}{result.exception}"
