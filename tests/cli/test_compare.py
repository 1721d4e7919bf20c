"""`ambs compare`: which campaigns, from where, and when it would mislead."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ambs_hpc.cli.main import app
from ambs_hpc.errors import NotFound, UsageError
from ambs_hpc.problem.space import build_space, space_to_json
from ambs_hpc.problem.space_edits import narrowed
from ambs_hpc.queue import claim, complete, open_database, transaction
from tests.queue import stock


def make(database: Path, name: str, objectives: list[float], **changes: object) -> None:
    """A campaign whose evaluations ended with these objectives."""
    engine = open_database(f"sqlite:///{database}")
    with transaction(engine) as connection:
        campaign = stock.campaign(connection, name=name, **changes)
        stock.evaluations(connection, campaign.id, len(objectives))
        launcher_id = stock.launcher(connection)
        claims = claim(connection, launcher_id, len(objectives))
        done = [
            replace(stock.success(one), objective=value)
            for one, value in zip(claims, objectives, strict=True)
        ]
        complete(connection, launcher_id, done)
    engine.dispose()


def compared(*arguments: str) -> tuple[str, str]:
    result = CliRunner().invoke(app, ["compare", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout, result.stderr


def test_seeds_and_databases_are_told_apart(tmp_path: Path) -> None:
    """The same name in two databases is two campaigns; seeds of one method are one line."""
    here, there = tmp_path / "here.db", tmp_path / "there.db"
    make(here, "net-1", [3.0, 1.0])
    make(here, "net-2", [5.0, 2.0])
    make(here, "net-3", [9.0, 9.0], method="random", method_options={})
    make(there, "old", [4.0])
    make(here, "old", [6.0])
    both = ("--db", str(here), "--db", str(there))
    told = json.loads(compared(*both, "--json")[0])
    assert told["differences"] == []
    assert {one["name"]: one["best"] for one in told["groups"]} == {
        "net-*": [1.0, 2.0],
        "net-3": [9.0],
        f"old in {here}": [6.0],
        f"old in {there}": [4.0],
    }
    table, _ = compared("old", "net-2", *both, "-o", str(tmp_path / "c.png"))
    assert [line.split("\t")[0] for line in table.splitlines()] == [
        "campaign",
        f"old in {here}",
        f"old in {there}",
        "net-2",
        f"Wrote {tmp_path / 'c.png'}",
    ]
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    """A figure is believed; one of two problems must not look like one of two methods."""
    database = tmp_path / "ambs.db"
    make(database, "a", [1.0])
    make(database, "b", [1.0], problem={"space": {"lr": [0, 1]}, "objective": "other"})
    make(database, "up", [1.0], direction="maximize")
    _, said = compared("a", "b", "--db", str(database))
    assert "a and b have different spaces" in said
    assert "a and b have different objectives" in said
    with pytest.raises(
        UsageError, match="different directions cannot be compared: a is minimized, up is max"
    ):
        compared("a", "up", "--db", str(database))
    with pytest.raises(NotFound, match=r"There is no campaign 'bb'\. Did you mean 'b'"):
        compared("bb", "--db", str(database))


def test_results_outside_of_a_revised_space_are_told(tmp_path: Path) -> None:
    """The best of a space that nobody may use any more says nothing of the search in what is left."""
    database = tmp_path / "ambs.db"
    space = space_to_json(build_space({"lr": (0.0, 1.0), "layers": (0, 9)}))
    make(database, "a", [1.0, 2.0, 3.0], problem={"space": space})
    make(database, "b", [1.0, 2.0, 3.0], problem={"space": narrowed(space, "lr=0..0.5"), "was": {}})
    _, said = compared("a", "b", "--db", str(database))
    assert "1 of 3 results of b lie outside of the space that it searches now, and count here: " in said
    assert "results of a" not in said


def test_spaces_that_differ_in_a_default_or_an_order_are_one(tmp_path: Path) -> None:
    """A space that was narrowed and one that was written so are searched alike."""
    database = tmp_path / "ambs.db"
    wide, narrow = ({"x": (0.0, high), "c": ["a", "b"]} for high in (1.0, 0.5))
    stored = space_to_json(build_space(wide))
    edited = dict(narrowed(stored, "x=0..0.5"))
    edited["hyperparameters"] = edited["hyperparameters"][::-1]  # as earlier versions stored it
    make(database, "a", [1.0], problem={"space": edited})
    make(database, "b", [1.0], problem={"space": space_to_json(build_space(narrow))})
    make(database, "c", [1.0], problem={"space": stored})
    assert compared("a", "b", "--db", str(database))[1] == ""
    assert (
        "a and c have different spaces (x 0..0.5 -> 0..1): the best"
        in compared("a", "c", "--db", str(database))[1]
    )
