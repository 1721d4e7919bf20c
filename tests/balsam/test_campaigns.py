"""Campaigns through a real Balsam: the same commands and results, and every kind of death."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from ambs_hpc.launcher.supervisor import process_tree
from tests.balsam.conftest import Campaign
from tests.databases import wait_until
from tests.stories.commands import PROPOSES_WITHIN_SECONDS

pytestmark = [pytest.mark.balsam, pytest.mark.timeout(400)]

MODEL = """
import os, subprocess, sys, time
def steady(configuration):
    print("working", configuration["x"])
    time.sleep(configuration.get("seconds", 0.0))
    return {"objective": configuration["x"], "job": os.environ["BALSAM_JOB_ID"]}
def slow(configuration):
    return steady({**configuration, "seconds": 4.0})
def plain(configuration):
    return (configuration["x"] - 0.3) ** 2
def various(configuration):
    kind = configuration["kind"]
    print("I am", kind, file=sys.stderr, flush=True)
    if kind == "raises":
        raise ValueError("no such thing")
    if kind == "leaves":
        os._exit(3)
    if kind == "hangs":
        subprocess.Popen(["sleep", "600"], start_new_session=True)
        time.sleep(600)
    return 1.0 if kind == "works" else "much"
"""
PROBLEM = """
from ambs_hpc import Problem
problem = Problem(name={name!r}, space={space}, objective="model:{function}"{more})
"""
RANKS = """
from ambs_hpc import Command, Problem, Resources
problem = Problem(
    name="ranks",
    space={"x": (0.0, 1.0)},
    objective=Command(["sh", "../../../../../ranks.sh", "{x}"]),
    resources=Resources(cores=2, ranks_per_node=2),
)
"""
ON_BALSAM = ("launch", "--executor", "balsam", "--balsam-site", "here")
VISIBLE_SECONDS = 2.0  # from the end of an evaluation to its result in the database
BEGINS_SECONDS = 90.0  # from a batch job's request to what it runs: five programs start one after the other
SETTLES_SECONDS = 60.0  # for Balsam to take its jobs through all states that follow on the end
AWAY_SECONDS = float(os.environ.get("STORY_AWAY_SECONDS", "6"))


def problem(campaign: Campaign, function: str, space: str = "{'x': (0.0, 1.0)}", more: str = "") -> str:
    campaign.write("model.py", MODEL)
    campaign.write(f"{function}.py", PROBLEM.format(name=function, space=space, function=function, more=more))
    return f"{function}.py"


def submit(campaign: Campaign) -> None:
    """A batch job of one node."""
    wanted = ("-n", "1", "-t", "30", "-q", "local", "-A", "local")
    campaign.ambs("submit", "--via", "balsam", "--balsam-site", "here", *wanted)


@contextmanager
def search(campaign: Campaign, file: str, budget: int, slots: int) -> Iterator[subprocess.Popen[str]]:
    options = ("--method", "random", "--max-evaluations", str(budget), "--slots", str(slots), "--seed", "7")
    process = campaign.start("search", file, *options)
    try:
        wait_until(lambda: counts(campaign).get("READY", 0) >= min(slots, budget), PROPOSES_WITHIN_SECONDS)
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def launcher(campaign: Campaign, *options: str) -> Iterator[subprocess.Popen[str]]:
    process = campaign.start(*ON_BALSAM, *options)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=60)


def counts(campaign: Campaign) -> dict[str, int]:
    process = campaign.start("sql", "select state, count(*) as n from v_evaluations group by state", "--json")
    out, _ = process.communicate(timeout=60)
    return {row["state"]: row["n"] for row in json.loads(out)} if process.returncode == 0 else {}


def wait_for_done(campaign: Campaign, more_than: int) -> None:
    wait_until(lambda: counts(campaign).get("DONE", 0) > more_than, BEGINS_SECONDS)


def assert_each_ended_once(campaign: Campaign, number: int) -> None:
    assert counts(campaign) == {"DONE": number}
    moves = campaign.rows("select move, count(*) as n from evaluation_event group by move")
    told = {row["move"]: row["n"] for row in moves}
    assert told["complete"] == number
    assert not {"fail", "retry", "lose"} & told.keys()
    wait_until(lambda: campaign.unfinished_jobs() == [], SETTLES_SECONDS)


def delays(campaign: Campaign) -> list[float]:
    """Seconds between each end and its record."""
    query = "select at - finished_at as delay from evaluation_event where move = 'complete'"
    return [float(str(row["delay"])) for row in campaign.rows(query)]


def test_same_results_as_on_this_machine(campaign: Campaign) -> None:
    """One slot, one seed: the search cannot tell who ran them."""
    campaign.write("model.py", MODEL)
    submit(campaign)
    told = []
    for name, launch in (("on_balsam", ON_BALSAM), ("here", ("launch",))):
        told.append(results(campaign, name, (*launch, "--slots", "1", "--campaign", name)))
    assert told[0] == told[1]
    assert len(told[0]) == 4


def results(campaign: Campaign, name: str, launch: Sequence[str]) -> list[dict[str, object]]:
    """Of a campaign of four, one after the other."""
    text = PROBLEM.format(name=name, space="{'x': (0.0, 1.0)}", function="plain", more="")
    campaign.write(f"{name}.py", text)
    options = ("--max-evaluations", "4", "--slots", "1", "--seed", "3")
    process = campaign.start("search", f"{name}.py", *options)
    wait_until(lambda: counts(campaign).get("READY", 0) > 0, PROPOSES_WITHIN_SECONDS)
    campaign.ambs(*launch, timeout_seconds=150)
    assert process.wait(30) == 0
    process.communicate()
    query = f"select configuration, objective from v_evaluations where campaign = '{name}' order by ordinal"
    return campaign.rows(query)


def test_every_kind_of_end(campaign: Campaign) -> None:
    """Once in our books each, with the right kind, and what it printed is found; nothing of them is left."""
    kinds = ["raises", "leaves", "hangs", "works", "babbles"]
    file = problem(campaign, "various", f"{{'kind': {kinds}}}", ", time_limit_seconds=8")
    submit(campaign)
    with search(campaign, file, 5, 5), launcher(campaign, "--grace", "1"):
        wait_until(
            lambda: sum(counts(campaign).get(state, 0) for state in ("DONE", "FAILED")) == 5, BEGINS_SECONDS
        )
    rows = campaign.rows("select id, configuration, failure_kind, exit_status, attempt from v_evaluations")
    found = {kind_of(row): row for row in rows}
    assert {kind: row["failure_kind"] for kind, row in found.items()} == {
        "raises": "ERROR",
        "leaves": "ERROR",
        "hangs": "TIMEOUT",
        "works": None,
        "babbles": "BAD_RESULT",
    }
    assert {row["attempt"] for row in rows} == {1}
    assert found["leaves"]["exit_status"] == 3
    for kind, row in found.items():
        assert f"I am {kind}" in campaign.ambs("logs", str(row["id"]), "--stderr")
    assert processes_of(campaign) == []


def kind_of(row: dict[str, object]) -> str:
    told = row["configuration"]
    found: dict[str, str] = json.loads(told) if isinstance(told, str) else told  # type: ignore[assignment]
    return found["kind"]


def processes_of(campaign: Campaign) -> list[int]:
    """That run evaluations of this folder, or that they left: they work in an attempt's folder."""
    found = []
    for pid in process_tree.all_processes():
        with contextlib.suppress(OSError):
            place = Path(f"/proc/{pid}/cwd").readlink()
            if place.is_relative_to(campaign.folder / "ambs-runs") and process_tree.state_of(pid) not in "ZX":
                found.append(pid)
    return found


def test_cancelled_evaluations_end(campaign: Campaign) -> None:
    """One that runs is stopped, one that waits in Balsam never begins."""
    file = problem(campaign, "various", "{'kind': ['hangs'], 'x': (0.0, 1.0)}")
    submit(campaign)
    with search(campaign, file, 6, 6), launcher(campaign):
        wait_until(lambda: len(list(campaign.folder.glob("ambs-runs/**/stderr"))) == 4, BEGINS_SECONDS)
        ids = [str(row["id"]) for row in campaign.rows("select id from v_evaluations")]
        campaign.ambs("cancel", *ids)
        wait_until(lambda: processes_of(campaign) == [], 30)
        wait_until(lambda: campaign.unfinished_jobs() == [], SETTLES_SECONDS)
        assert counts(campaign) == {"CANCELLED": 6}


def test_programs_of_several_ranks(campaign: Campaign) -> None:
    """Through MPICH in Balsam's mpi mode: all ranks run, the first one's result counts, one set of books."""
    campaign.write(
        "ranks.sh", "echo rank $PMI_RANK of $PMI_SIZE >> ranks\n[ $PMI_RANK != 0 ] || echo AMBS-RESULT: $1\n"
    )
    campaign.write("ranks.py", RANKS)
    with search(campaign, "ranks.py", 2, 2):
        submit(campaign)
        with launcher(campaign):
            wait_until(lambda: counts(campaign).get("DONE", 0) == 2, BEGINS_SECONDS)
    assert_each_ended_once(campaign, 2)
    for file in campaign.folder.glob("ambs-runs/ranks/*/000/*/ranks"):
        assert sorted(file.read_text().splitlines()) == ["rank 0 of 2", "rank 1 of 2"]
    assert len(list(campaign.folder.glob("ambs-runs/ranks/*/000/*/ranks"))) == 2


def test_killed_launcher_is_succeeded(campaign: Campaign) -> None:
    """What ran runs on, what waited in Balsam waits on: nothing is interrupted, nothing runs twice."""
    file = problem(campaign, "slow")
    submit(campaign)
    with search(campaign, file, 14, 8) as process:
        for done in (0, 4):
            first = campaign.start(*ON_BALSAM)
            wait_for_done(campaign, done)
            os.kill(first.pid, signal.SIGKILL)
            first.communicate()
        with launcher(campaign):
            assert process.wait(150) == 0
    assert_each_ended_once(campaign, 14)
    rows = campaign.rows("select attempt, interruptions from v_evaluations")
    assert {(row["attempt"], row["interruptions"]) for row in rows} == {(1, 0)}
    jobs = campaign.balsam.query("select count(*) from jobs where tags ->> 'ambs_campaign' = 'slow'")
    assert jobs == [(14,)]


def test_killed_balsam_launcher_interrupts(campaign: Campaign) -> None:
    """Seen by the silence of what it ran, minutes before Balsam sees it; the next batch job does the rest."""
    file = problem(campaign, "slow")
    submit(campaign)
    with search(campaign, file, 10, 6) as process, launcher(campaign):
        wait_until(lambda: counts(campaign).get("DONE", 0) > 0, BEGINS_SECONDS)
        wait_until(lambda: processes_of(campaign), 10)
        campaign.balsam.kill_launchers()
        submit(campaign)
        assert process.wait(150) == 0
    rows = campaign.rows("select state, failures, interruptions from v_evaluations")
    assert {row["state"] for row in rows} == {"DONE"}
    assert {row["failures"] for row in rows} == {0}
    assert 1 <= sum(int(str(row["interruptions"])) for row in rows) <= 4
    wait_until(lambda: campaign.unfinished_jobs() == [], SETTLES_SECONDS)


def test_results_are_seen_while_the_service_is_away(campaign: Campaign) -> None:
    """By their files, at once; and everything goes on when it is back."""
    file = problem(campaign, "slow")
    submit(campaign)
    with search(campaign, file, 20, 12) as process, launcher(campaign):
        wait_until(lambda: processes_of(campaign), BEGINS_SECONDS)
        campaign.balsam.stop_server()
        wait_until(lambda: "Balsam: Tried to" in campaign.ambs("status"), 30)
        before = counts(campaign).get("DONE", 0)
        wait_until(lambda: counts(campaign).get("DONE", 0) > before, AWAY_SECONDS + 10)
        campaign.balsam.start_server()
        assert process.wait(200) == 0
    assert_each_ended_once(campaign, 20)
    assert max(delays(campaign)) < VISIBLE_SECONDS
