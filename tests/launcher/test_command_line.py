"""A command gets exactly the arguments that a person reading the problem file expects."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambs_hpc.launcher.command_line import anchored, filled, text_of

FULL = {"lr": 0.001, "units": 8, "momentum": 0.9, "shift": -0.5, "flag": True, "name": "a b; rm -rf $HOME"}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (["--lr", "{lr}"], ["--lr", "0.001"]),
        (["--lr={lr}"], ["--lr=0.001"]),
        (["{units}x{lr}"], ["8x0.001"]),
        (["{{literal}} {units}"], ["{literal} 8"]),
        (["--name", "{name}"], ["--name", "a b; rm -rf $HOME"]),
        (["--flag={flag}"], ["--flag=true"]),
    ],
)
def test_placeholders_become_values(entries: list[str], expected: list[str]) -> None:
    """One entry stays one argument: no shell ever splits it."""
    assert filled(entries, FULL) == expected


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (["run", "--momentum", "{momentum}", "x"], ["run", "x"]),
        (["run", "--momentum={momentum}", "x"], ["run", "x"]),
        (["{shift}", "{momentum}"], ["-0.5"]),
        (["-v", "pre{momentum}"], ["-v"]),
    ],
)
def test_inactive_parameter_leaves_no_trace(entries: list[str], expected: list[str]) -> None:
    """Not an empty text, not an option without its value, and no negative number taken for an option."""
    assert filled(entries, {"shift": -0.5}) == expected


def test_floats_lose_nothing() -> None:
    """The program computes with the number that the search proposed."""
    assert float(text_of(0.1 + 0.2)) == 0.1 + 0.2


def test_files_beside_the_problem_are_found(tmp_path: Path) -> None:
    """Evaluations run in folders of their own."""
    (tmp_path / "train.py").write_text("")
    assert anchored(["python", "train.py", "--data", "/abs", "{lr}"], str(tmp_path)) == [
        "python",
        str(tmp_path / "train.py"),
        "--data",
        "/abs",
        "{lr}",
    ]
