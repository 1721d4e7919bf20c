"""From a login node to granted nodes and back, on schedulers that behave as Cobalt and PBS do."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ambs_hpc.queue import note_submitted, open_database, prepare_allocation, transaction
from tests.databases import wait_until
from tests.schedulers.fakes import FakeScheduler
from tests.stories.commands import Shell
from tests.stories.kill_story import orphans_in

EVALUATIONS = 16
PROBLEM = """
from ambs_hpc import Problem
problem = Problem(name="p", space={"x": (0.0, 1.0)}, objective="model:train", time_limit_seconds=60)
"""
MODEL = """
import time
def train(configuration):
    time.sleep(0.7)
    return configuration["x"]
"""
SITE = """
scheduler: {family}
as_of: 2026-01-01
source: a test
node: {{cores: 2}}
project_required: true
environment: {{PYTHONPATH: {path}, AMBS_CONFIG_DIR: {config}}}
"""


@dataclass(frozen=True)
class LoginNode(Shell):
    """A shell with the scheduler's commands on its PATH."""

    fake: FakeScheduler

    @property
    def environment(self) -> dict[str, str]:
        return self.fake.environ(super().environment | {"HOME": str(self.folder)}) | {"AMBS_DB": ""}

    def allocations(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.ambs("allocations", "--json"))
        return found


@pytest.fixture(params=["cobalt", "pbs"])
def login(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LoginNode]:
    with FakeScheduler(request.param, tmp_path / "fake", hosts=["n1", "n2"], needs_project=True) as fake:
        node = LoginNode(tmp_path / "campaign", "", fake)
        node.folder.mkdir()
        node.write("problem.py", PROBLEM)
        node.write("model.py", MODEL)
        path, config = os.pathsep.join(["."]), node.folder / "config"
        node.write("mine.yml", SITE.format(family=request.param, path=path, config=config))
        node.ambs("init", "--site", "mine", "--project", "P")
        yield node


REFUSED = {"cobalt": "non-existent queue 'nosuch'", "pbs": "Unknown queue"}
SUBMIT = ("submit", "-n", "1", "-t", "5")
MOVES = "select move, count(*) as n from evaluation_event where move in ('complete', 'fail') group by move"
STATES = "select state, count(*) as n from v_evaluations group by state"


@pytest.mark.timeout(180)
def test_campaign_goes_through_several_walltimes(login: LoginNode) -> None:
    """What walltime interrupts is no failure, and the next allocation goes on with it."""
    login.fake.set(seconds_per_minute=1.2, kill_seconds=3.0)
    budget = ("--max-evaluations", str(EVALUATIONS), "--slots", "2")
    search = login.start("search", "problem.py", *budget)
    try:
        login.wait_for_proposals(search)
        submitted = 0
        while search.poll() is None and submitted < 8:
            submission = login.start(*SUBMIT)
            said = submission.communicate(timeout=90)
            if submission.returncode:  # there must be something to do: the search ended meanwhile
                assert "no search is alive" in "".join(said)
                break
            submitted += 1
            wait_until(lambda: search.poll() is not None or all_over(login), 60)
        assert search.wait(60) == 0, "".join(map(str, search.communicate()))
    finally:
        search.kill()
        search.communicate()
    assert submitted >= 2, "one allocation was enough: walltime killed nothing"
    assert login.rows(STATES) == [{"state": "DONE", "n": EVALUATIONS}]
    assert login.rows("select count(*) as n from v_evaluations where allocation is null") == [{"n": 0}]
    assert login.rows(MOVES) == [{"move": "complete", "n": EVALUATIONS}]
    wait_until(lambda: all_over(login), 60)
    assert orphans_in(login.folder / "ambs-runs") == []


def test_unheard_scheduler_changes_nothing(login: LoginNode) -> None:
    """ "I could not ask" is not "it is gone"; what has vanished is told as such."""
    login.fake.set(paused=True)
    stock(login)
    login.ambs(*SUBMIT)
    before = login.allocations()
    assert [one["state"] for one in before] == ["QUEUED"]
    login.fake.set(unreachable=True)
    process = login.start("allocations", "--json")
    out, err = process.communicate(timeout=60)
    assert "could not be asked" in err
    assert json.loads(out)[0]["state"] == "QUEUED"
    login.rejected(*SUBMIT)
    assert len(login.fake.allocations()) == 1
    login.fake.set(unreachable=False)
    login.ambs("allocations", "cancel", str(before[0]["id"]))
    wait_until(lambda: login.allocations()[-1]["state"] in ("VANISHED", "ENDED"), 30)
    login.rejected("allocations", "cancel", "99")


@pytest.mark.parametrize("how", ["error", "silent"])
def test_lost_answer_is_not_submitted_twice(login: LoginNode, how: str) -> None:
    """The allocation is found by its name, at once or by the next look."""
    login.fake.set(paused=True, lose_answers=1, lose_how=how)
    stock(login)
    process = login.start(*SUBMIT)
    process.communicate(timeout=60)
    wait_until(lambda: [one["state"] for one in login.allocations()] == ["QUEUED"], 30)
    assert len(login.fake.allocations()) == 1
    assert login.allocations()[0]["scheduler_id"]


def test_refusal_is_told_in_the_schedulers_words(login: LoginNode) -> None:
    """And what our own check knows is refused before anything is submitted."""
    stock(login)
    assert REFUSED[login.fake.family] in login.rejected(*SUBMIT, "-q", "nosuch")
    assert "debug takes it" in login.rejected(*SUBMIT, "--site", "polaris")
    assert "Give minutes" in login.rejected("submit", "-n", "1", "-t", "1:30")
    assert login.fake.allocations() == []
    assert login.allocations()[0]["state"] == "REFUSED"


def test_empty_queue_gets_no_nodes(login: LoginNode) -> None:
    """Node-hours for nothing are caught before they are spent; --dry-run prints the script alone."""
    login.ambs("list", status=1)
    login.write("ambs.db", "")
    script = login.ambs(*SUBMIT, "--dry-run")
    assert script.startswith("#!/bin/bash -l\n")
    assert script.splitlines()[-1].endswith("--idle-exit 120")
    (login.folder / "ambs.db").unlink()
    assert login.fake.allocations() == []


@pytest.mark.timeout(120)
def test_search_travels_with_the_allocation(login: LoginNode) -> None:
    """From nothing: the first command of a campaign may be the one that asks for nodes."""
    login.ambs(*SUBMIT, "--with-search", "problem.py", "--max-evaluations", "4")
    wait_until(lambda: login.allocations()[0]["state"] in {"ENDED", "VANISHED"}, 90)
    assert login.rows(STATES) == [{"state": "DONE", "n": 4}]
    (seen,) = login.rows("select utilisation from v_utilisation")
    assert 0.0 < login.allocations()[0]["utilisation"] == pytest.approx(seen["utilisation"], rel=0.01)
    assert orphans_in(login.folder) == []


def test_autosubmit_asks_only_for_what_waits(login: LoginNode) -> None:
    """Never an allocation for nothing, never more than allowed, and nothing while nobody answers."""
    login.fake.set(paused=True)
    once = ("autosubmit", "-t", "5", "--max-queued", "2", "--per-node", "2", "--notice", "60")
    stock(login)
    login.fake.set(unreachable=True)
    assert "could not be asked" in login.rejected(*once)
    login.fake.set(unreachable=False)
    assert "submitted: " in login.ambs(*once)
    assert "submitted: " in login.ambs(*once)
    assert "2 allocations wait already" in login.ambs(*once)
    assert len(login.fake.allocations()) == 2
    for script in (login.folder / "ambs-allocations").glob("*.sh"):
        assert "--notice 60.0" in script.read_text()
    login.ambs("cancel", "--all", "--campaign", "p")
    assert "nothing submitted" in login.ambs(*once[:4], "5", *once[5:])
    assert len(login.fake.allocations()) == 2


def test_a_thousand_allocations_cost_one_question(login: LoginNode) -> None:
    """Schedulers are shared: a command for each allocation would be noticed by everybody."""
    login.fake.set(paused=True)
    stock(login)
    login.ambs(*SUBMIT)
    login.fake.multiply(999)
    engine = open_database(f"sqlite:///{login.folder / 'ambs.db'}")
    known = login.allocations()[0]["scheduler_id"]
    with transaction(engine) as connection:
        request = {"nodes": 1, "minutes": 5, "folder": str(login.folder), "name": "ambs-many"}
        for one in login.fake.allocations():
            if str(one["id"]) != known.partition(".")[0]:
                number = prepare_allocation(connection, "mine", login.fake.family, request)
                suffix = known[len(known.partition(".")[0]) :]
                note_submitted(connection, number, f"{one['id']}{suffix}")
    before = len(login.fake.calls("qstat"))
    found = json.loads(login.ambs("allocations", "--all", "--json"))
    assert [one["state"] for one in found] == ["QUEUED"] * 1000
    assert len(login.fake.calls("qstat")) == before + 1


def stock(login: LoginNode) -> None:
    """Evaluations that wait."""
    search = login.start("search", "problem.py", "--max-evaluations", "4", "--slots", "2")
    login.wait_for_proposals(search)
    search.terminate()
    search.communicate(timeout=30)


def all_over(login: LoginNode) -> bool:
    return all(one["state"] in ("ENDED", "VANISHED", "REFUSED") for one in login.allocations())
