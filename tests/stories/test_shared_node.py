"""Two allocations on one node, which was given away under a launcher that still runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import wait_until
from tests.schedulers.fakes import HERE, FakeScheduler
from tests.stories.kill_story import orphans_in
from tests.stories.test_allocations import MOVES, SITE, LoginNode, all_over

TEMPLATES = Path(__file__).parents[2] / "job_templates"
PROBLEM = """
from ambs_hpc import Problem
problem = Problem(name="p", space={"x": (0.0, 1.0)}, objective="model:train", time_limit_seconds=120)
"""
# Writes who ran when; its checkpoint takes until the test says so.
MODEL = """
import json, os, signal, time
def train(configuration):
    allocation = os.environ["COBALT_JOBID"]
    told = []
    signal.signal(signal.SIGTERM, lambda *_: told.append(1))
    begun = time.time()
    while not told and time.time() < begun + (600 if allocation == "1" else 0.2):
        time.sleep(0.02)
    while told and not os.path.exists(HERE + "/go"):
        time.sleep(0.02)
    with open(f"{HERE}/{allocation}.ran", "a") as file:
        file.write(json.dumps([begun, time.time(), bool(told)]) + "\\n")
    if told:
        os._exit(1)
    return configuration["x"]
HERE = os.path.dirname(os.path.abspath(__file__))
"""
EVALUATIONS = 4
# qdel and walltime reach the ssh client alone. Where PBS shares a node, each packs what it was granted.
SYSTEM = {"system": "ssh cluster", "forget_seconds": 0.3}


@pytest.fixture
def login(tmp_path: Path) -> Iterator[LoginNode]:
    family = "cobalt"
    with FakeScheduler(family, tmp_path / "fake", hosts=["n1"], kill_seconds=60.0, **SYSTEM) as fake:
        node = LoginNode(tmp_path / "campaign", "", fake)
        node.folder.mkdir()
        node.write("problem.py", PROBLEM)
        node.write("model.py", MODEL)
        site = SITE.format(family=family, path=".", config=node.folder / "config")
        # Login shells set PATH anew, without the pretend scheduler's commands.
        site += f"preamble: ['export PATH={HERE / family}:$PATH']\n"
        node.write("mine.yml", site.replace("{PYTHON", "{AMBS_WATCH_SECONDS: '0.4', PYTHON"))
        node.ambs("init", "--site", "mine", "--project", "P")
        # Somebody's own template, which is patient with checkpoints.
        template = (TEMPLATES / f"{family}.sh.j2").read_text()
        node.write("own.j2", template.replace("{{ launch }}", "{{ launch }} --grace 60"))
        node.write("ambs.yml", (node.folder / "ambs.yml").read_text() + "template: own.j2\n")
        yield node


def ran(login: LoginNode, allocation: int) -> list[tuple[float, float, bool]]:
    """(begin, end, whether it was told to end) of what ran in an allocation, by the evaluations' own word."""
    file = login.folder / f"{allocation}.ran"
    return [tuple(json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.mark.timeout(240)
def test_two_launchers_never_use_one_node(login: LoginNode) -> None:
    """The first hears of its end in time for checkpoints, and the second waits for the node until then."""
    search = login.start("search", "problem.py", "--max-evaluations", str(EVALUATIONS), "--slots", "2")
    try:
        login.wait_for_proposals(search)
        login.ambs("submit", "-n", "1", "-t", "10")
        running = "select count(*) as n from v_evaluations where state = 'RUNNING'"
        wait_until(lambda: login.rows(running) != [{"n": 0}], 60, 0.3)
        login.ambs("submit", "-n", "1", "-t", "10")
        login.ambs("allocations", "cancel", "1")
        log = login.folder / "ambs-allocations" / "2.error"
        wait_until(lambda: log.exists() and "the node is in use by launcher " in log.read_text(), 60)
        assert f"in {login.fake.family} allocation 1" in log.read_text()
        assert ran(login, 1) == ran(login, 2) == []
        login.write("go", "")
        assert search.wait(100) == 0, "".join(map(str, search.communicate()))
    finally:
        search.kill()
        search.communicate()
    first, second = ran(login, 1), ran(login, 2)
    assert first
    assert all(told for _, _, told in first), "all had time for a checkpoint"
    assert len(second) == EVALUATIONS
    assert max(end for _, end, _ in first) < min(begin for begin, _, _ in second)
    assert login.rows(MOVES) == [{"move": "complete", "n": EVALUATIONS}]
    login.ambs("allocations", "cancel", "2")
    wait_until(lambda: all_over(login), 60)
    assert orphans_in(login.folder, within_seconds=60.0) == []  # where the script hears nothing, too
