"""`ambs space` shows what a campaign searches and who changed it, and changes it."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from ambs_hpc.cli.main import app
from ambs_hpc.problem import build_space
from ambs_hpc.problem.space import space_to_json
from ambs_hpc.queue import find_campaign, transaction
from tests.queue import stock

PROBLEM = {
    "space": space_to_json(build_space({"lr": (1e-5, 1e-1, "log"), "n": (1, 9)})),
    "starting_points": [],
}


def asked(*arguments: str) -> str:
    answer = CliRunner().invoke(app, ["space", "digits", *arguments])
    assert answer.exit_code == 0, answer.output
    return answer.stdout


@pytest.fixture
def url(any_engine: Engine, any_url: str) -> str:
    with transaction(any_engine) as connection:
        stock.campaign(connection, problem=PROBLEM)
    return any_url


def test_a_dry_run_says_what_the_command_then_does(any_engine: Engine, url: str) -> None:
    """What leaves the model is seen before it does."""
    edit = ("--narrow", "lr=1e-4..1e-2", "--pin", "n=3", "--db", url)
    line = (
        "campaign digits, revision 2: lr 1e-05..0.1 log -> 0.0001..0.01 log; n 1..9 -> 3 (fixed), "
        "0 of 0 results fit and are kept, 0 leave the model\n"
    )
    assert asked(*edit, "--dry-run") == f"{line}Nothing was stored.\n"
    with transaction(any_engine) as connection:
        assert find_campaign(connection, "digits").revision == 1
    assert asked(*edit) == line
    assert asked(*edit) == "campaign digits: that is so already\n"
    for further in ([], ["--dry-run"]):
        unchanged = json.loads(asked(*edit, "--json", *further))
        assert (unchanged["revision"], unchanged["changes"]) == (2, [])
    told = json.loads(asked("--forbid", "n=3,lr=0.001", "--db", url, "--json"))
    assert (told["revision"], told["stored"]) == (3, True)
    assert told["words"].startswith("forbidden: n=3, lr=0.001")


def test_the_space_is_shown_with_its_revisions(url: str) -> None:
    """Whoever comes back in the second week reads what was done to it."""
    asked("--pin", "n=3", "--db", url)
    first, lr, n, header, one, two = asked("--db", url).splitlines()
    assert (first, lr, n) == ("campaign digits, revision 2", "  lr: 1e-05..0.1 log", "  n: 3 (fixed)")
    assert header.split("\t") == ["revision", "time (UTC)", "who", "what changed"]
    assert (one.split("\t")[3], two.split("\t")[3]) == ("as the campaign was made", "n 1..9 -> 3 (fixed)")
    shown = json.loads(asked("--db", url, "--json"))
    assert [revision["number"] for revision in shown["revisions"]] == [1, 2]
    assert shown["revisions"][1]["changes"][0]["after"]["value"] == 3
