"""PostgreSQL goes away in the middle of a campaign and comes back; nobody has to do anything."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ambs_hpc.postgres_server.server import ServerOptions, ServerStatus, start_server, stop_server
from tests.databases import let_others_enter, wait_until
from tests.stories.commands import Shell
from tests.stories.kill_story import orphans_in

EVALUATIONS = 40
PROBLEM = """
from ambs_hpc import Problem
problem = Problem(name="away", space={"x": (0.0, 1.0)}, objective="model:measure")
"""
MODEL = """
import os, time
def measure(configuration):
    time.sleep(0.2)
    with open(os.environ["STORY_LOG"], "a") as log:
        log.write(os.environ["AMBS_EVALUATION"] + "\\n")
    return configuration["x"]
"""
# A person who wants the long story sets it; the retries are the same after 2 s and after 20 s.
AWAY_SECONDS = float(os.environ.get("STORY_AWAY_SECONDS", "3"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerStatus]:
    """One of our own: the session's must not be stopped under other tests."""
    let_others_enter(tmp_path)
    place = tmp_path / "server"
    yield start_server(ServerOptions(place, listen="127.0.0.1", host="127.0.0.1"), os.environ)
    stop_server(place, None, os.environ)


@pytest.mark.timeout(180)
def test_campaign_outlives_an_absent_database(
    tmp_path: Path, server: ServerStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ran meanwhile is recorded afterwards, once; no evaluation runs twice."""
    runs = tmp_path / "runs.log"
    monkeypatch.setenv("STORY_LOG", str(runs))
    shell = Shell(tmp_path, server.url)
    shell.write("problem.py", PROBLEM)
    shell.write("model.py", MODEL)
    campaign = shell.start("run", "problem.py", "--max-evaluations", str(EVALUATIONS), "--slots", "2")
    try:
        wait_until(lambda: runs.exists() and runs.read_text().count("\n") >= 5, 60)
        finished = runs.read_text().count("\n")
        stop_server(tmp_path / "server", None, os.environ)
        gone_at = time.monotonic()
        wait_until(lambda: time.monotonic() - gone_at > AWAY_SECONDS, AWAY_SECONDS + 10)
        start_server(ServerOptions(tmp_path / "server", listen="127.0.0.1", host="127.0.0.1"), os.environ)
        assert runs.read_text().count("\n") > finished, "what ran when the database went did not run on"
        assert campaign.wait(90) == 0
    finally:
        campaign.kill()
        print(*campaign.communicate())  # pytest shows it when something failed
    assert shell.rows("select state, count(*) as n from v_evaluations group by state") == [
        {"state": "DONE", "n": EVALUATIONS}
    ]
    moves = (
        "select move, count(*) as n from evaluation_event where move in ('complete', 'release') group by move"
    )
    assert shell.rows(moves) == [{"move": "complete", "n": EVALUATIONS}]
    assert sorted(map(int, runs.read_text().split())) == list(range(1, EVALUATIONS + 1))
    assert orphans_in(tmp_path / "ambs-runs") == []
