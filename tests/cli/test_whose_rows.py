"""A command that changes rows changes those of the campaign that a person named, and of no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ambs_hpc.cli.main import app
from ambs_hpc.errors import NotFound, UsageError
from ambs_hpc.queue import claim, counts, fail, find_campaign, open_database, reading, transaction
from ambs_hpc.states import State
from tests.queue import stock


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of campaigns `net` and `other`, each with a failure and one that waits."""
    made = f"sqlite:///{tmp_path}/ambs.db"
    monkeypatch.setenv("AMBS_DB", made)
    engine = open_database(made)
    with transaction(engine) as connection:
        made_of = [stock.campaign(connection, name=name, max_failures=1) for name in ("net", "other")]
        for campaign in made_of:
            stock.evaluations(connection, campaign.id, 1)
        launcher = stock.launcher(connection)
        fail(connection, launcher, [stock.failure(one) for one in claim(connection, launcher, 2)])
        for campaign in made_of:
            stock.evaluations(connection, campaign.id, 1, 1)
    engine.dispose()
    return made


def said(*words: str) -> str:
    result = CliRunner().invoke(app, [*words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def in_state(url: str, state: State) -> list[int]:
    """So many of `net` and of `other`."""
    engine = open_database(url)
    with reading(engine) as connection:
        found = [find_campaign(connection, name) for name in ("net", "other")]
        numbers = [counts(connection, one.id)[state] for one in found if one is not None]
    engine.dispose()
    return numbers


def test_failures_are_run_again_of_the_named_campaign_alone(url: str) -> None:
    """Hundreds of another campaign's failures would fill the queue, and no command takes that back."""
    with pytest.raises(UsageError, match=r"--campaign NAME\. Accepted: net, other"):
        said("rerun", "--failed")
    with pytest.raises(UsageError, match="--campaign NAME"):
        said("rerun", "--failed", "--kind", "ERROR", "--dry-run")
    with pytest.raises(NotFound, match="no campaign 'nets'"):
        said("rerun", "--failed", "-c", "nets")
    assert in_state(url, State.FAILED) == [1, 1]
    assert said("rerun", "--failed", "-c", "net") == (
        "1 evaluation of campaign net is READY again: start a launcher, or `ambs run`\n"
    )
    assert in_state(url, State.FAILED) == [0, 1]


def test_a_dry_run_says_what_a_command_would_change(url: str) -> None:
    """Neither a rerun nor a cancel of many can be taken back."""
    assert (
        said("rerun", "--failed", "-c", "net", "--dry-run")
        == "1 evaluation of campaign net would be READY again\n"
    )
    told = json.loads(said("cancel", "--all", "-c", "other", "--dry-run", "--json"))
    assert (len(told["cancelled"]), told["dry_run"]) == (1, True)
    assert said("cancel", "--all", "-c", "other", "--dry-run").endswith(
        "of campaign other would be cancelled\n"
    )
    assert in_state(url, State.FAILED) == [1, 1]
    assert in_state(url, State.READY) == [1, 1]
    assert said("cancel", "--all", "-c", "other") == "1 evaluation of campaign other cancelled\n"
    assert in_state(url, State.CANCELLED) == [0, 1]
